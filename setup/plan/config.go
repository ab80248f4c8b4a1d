package plan

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/templates"
)

// Preview returns myconfig.yml for these answers. It is fast enough to call on every keystroke. If
// the existing file cannot be edited, it returns that file.
func Preview(in *installation.Installed, a question.Answers) []byte {
	if in == nil {
		in = &installation.Installed{}
	}
	data, _, err := configFile(in, &a)
	if err != nil {
		data = in.ConfigData
	}
	return masked(data)
}

// configFile returns the new content of myconfig.yml: from the template, or edited key by key if
// the file exists. restart lists the keys that a running server applies only after a restart.
func configFile(in *installation.Installed, a *question.Answers) (data []byte, restart []string, err error) {
	admins, writers := byRole(a, setup.Admin), byRole(a, setup.Writer)
	if in.Config == nil {
		c := templates.Config{
			LogLevel: a.LogLevel, Addr: a.Addr, Insecure: a.Insecure && a.TLS == setup.Off, Realm: a.Realm,
			HtpasswdPath: filepath.Join(a.Dir,
				filepath.FromSlash(installation.HtpasswdFile)), Admins: admins, Writers: writers, RenewedBySetup: question.Made(a),
		}
		if a.Storage == config.Filesystem {
			c.StoragePath = a.StoragePath
		}
		c.S3 = a.S3Section()
		c.Certificate, c.Key = a.TLSFiles()
		if question.Ordered(a) {
			c.ACME = &templates.ACME{
				Cache: question.ACMECacheFile(in, a), Shared: a.Storage == config.S3, Email: a.ACMEEmail,
				Hosts: []string{machine.Canonical(a.Hostname)}, Directory: a.ACMEDirectory, CAFile: a.ACMECA,
				EABKeyID: a.EABKeyID, EABKeyFile: a.EABKeyPath(),
			}
		}
		data, err := c.Render()
		return data, nil, err
	}
	edits, restart := configEdits(in, a, admins, writers)
	text, marked := bytes.CutPrefix(in.ConfigData, byteOrderMark)
	data, err = config.Apply(text, edits)
	if refusal, ok := errors.AsType[*config.EditError](err); ok {
		where := filepath.Join(in.Dir, installation.ConfigFile)
		if refusal.Line > 0 {
			where += fmt.Sprintf(":%d", refusal.Line)
		}
		return nil, nil, finding.NewError(setup.Refuse(setup.CodeEdit,
			fmt.Sprintf("%s: %s cannot be changed without touching more than that: %s", where, refusal.Key, refusal.What),
			"change "+refusal.Key+" by hand, then run setup again with the same answers"))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("edit %s: %w", filepath.Join(in.Dir, installation.ConfigFile), err)
	}
	if marked {
		data = slices.Concat(byteOrderMark, data)
	}
	return data, restart, nil
}

// byteOrderMark is kept if a file starts with it: some editors write it, and the server ignores it.
var byteOrderMark = []byte("\xef\xbb\xbf")

func byRole(a *question.Answers, role setup.Role) []string {
	var names []string
	for _, u := range a.Users {
		if u.Role == role {
			names = append(names, u.Name)
		}
	}
	return names
}

// configEdits returns the differences between the current configuration and the answers, key by
// key. It does not touch settings that agree, even if they are implicit.
func configEdits(
	in *installation.Installed, a *question.Answers, admins, writers []string,
) (edits []config.Edit, restart []string) {
	c := in.Config
	set := func(differs bool, key string, value any) {
		if differs {
			edits = append(edits, config.Edit{Key: key, Value: value})
		}
	}
	remove := func(there bool, key string) {
		if there {
			edits = append(edits, config.Edit{Key: key, Remove: true})
		}
	}
	set(!strings.EqualFold(c.Log.Level, a.LogLevel), "log.level", a.LogLevel)

	switch {
	case a.Storage != c.Storage.Driver:
		remove(true, "storage."+c.Storage.Driver)
		switch a.Storage {
		case config.Filesystem:
			set(true, "storage.filesystem.rootdirectory", a.StoragePath)
		case config.S3:
			edits = append(edits, s3Edits(in, a)...)
		default:
			set(true, "storage."+a.Storage, nil)
		}
		restart = append(restart, "storage")
	case a.Storage == config.Filesystem && a.StoragePath != c.Storage.Filesystem.RootDirectory:
		set(true, "storage.filesystem.rootdirectory", a.StoragePath)
		restart = append(restart, "storage.filesystem.rootdirectory")
	case a.Storage == config.S3:
		if changed := s3Edits(in, a); len(changed) > 0 {
			edits, restart = append(edits, changed...), append(restart, "storage.s3")
		}
	}

	set(a.Addr != c.HTTP.Addr, "http.addr", a.Addr)
	if a.Addr != c.HTTP.Addr {
		restart = append(restart, "http.addr")
	}
	if insecure := a.Insecure && a.TLS == setup.Off; insecure != c.HTTP.Insecure {
		set(insecure, "http.insecure", true)
		remove(!insecure, "http.insecure")
	}
	switch {
	case question.Ordered(a):
		acme, keys := acmeEdits(in, a)
		edits, restart = append(edits, acme...), append(restart, keys...)
	case string(a.TLS) != in.TLSMode() || a.TLS == setup.Files:
		certificate, key := a.TLSFiles()
		if certificate == "" {
			remove(c.HTTP.TLS.Certificate != "", "http.tls.certificate")
			remove(c.HTTP.TLS.Key != "", "http.tls.key")
			remove(c.HTTP.TLS.LetsEncrypt.Enabled(), "http.tls.letsencrypt")
			restart = append(restart, "http.tls")
		} else {
			remove(c.HTTP.TLS.LetsEncrypt.Enabled(), "http.tls.letsencrypt")
			set(certificate != c.HTTP.TLS.Certificate, "http.tls.certificate", certificate)
			set(key != c.HTTP.TLS.Key, "http.tls.key", key)
			if !c.HTTP.TLS.Enabled() || c.HTTP.TLS.LetsEncrypt.Enabled() {
				restart = append(restart, "http.tls")
			}
		}
	}

	if c.Auth.Method != config.AuthHtpasswd {
		remove(c.Auth.Method == config.AuthNone, "auth")
		set(true, "auth.htpasswd.realm", a.Realm)
		set(true, "auth.htpasswd.path", filepath.Join(a.Dir, filepath.FromSlash(installation.HtpasswdFile)))
		restart = append(restart, "auth")
	}
	set(c.Auth.Method == config.AuthHtpasswd && a.Realm != c.Auth.Htpasswd.Realm, "auth.htpasswd.realm", a.Realm)
	haveAdmins := c.Auth.Htpasswd.Roles.Admin
	if len(haveAdmins) == 0 {
		haveAdmins = []string{string(setup.Admin)}
	}
	admins = withRole(in, c.Auth.Htpasswd.Roles.Admin, admins, a)
	set(!sameNames(admins, haveAdmins), "auth.htpasswd.roles.admin", admins)
	writers = withRole(in, c.Auth.Htpasswd.Roles.Writer, writers, a)
	if !sameNames(writers, c.Auth.Htpasswd.Roles.Writer) {
		set(len(writers) > 0, "auth.htpasswd.roles.writer", writers)
		remove(len(writers) == 0, "auth.htpasswd.roles.writer")
	}
	return edits, restart
}

// withRole returns the names for a list of roles: those of have that stay, in their order, then the
// new ones. It keeps names that are not in the htpasswd file: the operator may add the user later
// or with another tool.
func withRole(in *installation.Installed, have, users []string, a *question.Answers) []string {
	names := slices.DeleteFunc(slices.Clone(have), func(name string) bool {
		answered := in.User(name) != nil || a.User(name) != nil || slices.Contains(a.RemoveUsers, name)
		return answered && !slices.Contains(users, name)
	})
	for _, name := range users {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// acmeEdits returns the differences in the ACME section. It keeps additional hosts and other
// settings.
func acmeEdits(in *installation.Installed, a *question.Answers) (edits []config.Edit, restart []string) {
	const section = "http.tls.letsencrypt."
	c, l := in.Config, in.Config.HTTP.TLS.LetsEncrypt
	for _, key := range []struct {
		name       string
		have, want string
	}{
		{"cachefile", l.CacheFile, question.ACMECacheFile(in, a)},
		{"email", l.Email, a.ACMEEmail},
		{"directoryurl", l.DirectoryURL, a.ACMEDirectory},
		{"cafile", l.CAFile, a.ACMECA},
		{"eabkid", l.EABKeyID, a.EABKeyID},
		{"eabkeyfile", l.EABKeyFile, a.EABKeyPath()},
	} {
		switch {
		case key.have == key.want:
		case key.want == "":
			edits = append(edits, config.Edit{Key: section + key.name, Remove: true})
		default:
			edits = append(edits, config.Edit{Key: section + key.name, Value: key.want})
		}
	}
	if host := machine.Canonical(a.Hostname); !slices.ContainsFunc(l.Hosts,
		func(h string) bool { return machine.Canonical(h) == host }) {
		edits = append(edits, config.Edit{Key: section + "hosts", Value: append([]string{host}, l.Hosts...)})
	}
	if len(edits) > 0 {
		restart = append(restart, "http.tls.letsencrypt")
	}
	if c.HTTP.TLS.Certificate != "" {
		edits = append(edits, config.Edit{Key: "http.tls.certificate", Remove: true},
			config.Edit{Key: "http.tls.key", Remove: true})
	}
	return edits, restart
}

// sameNames compares two lists, ignoring order.
func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
