package plan

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

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
			HtpasswdPath: filepath.Join(a.Dir, installation.HtpasswdFile), Admins: admins, Writers: writers,
			RenewedBySetup: question.Made(a),
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
		return nil, nil, setup.Refusal(setup.CodeEdit,
			fmt.Sprintf("%s: %s cannot be changed without touching more than that: %s", where, refusal.Key, refusal.What),
			"change "+refusal.Key+" by hand, then run setup again with the same answers")
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

// edits collects changes of a configuration.
type edits []config.Edit

func (e *edits) set(differs bool, key string, value any) {
	if differs {
		*e = append(*e, config.Edit{Key: key, Value: value})
	}
}

func (e *edits) remove(there bool, key string) {
	if there {
		*e = append(*e, config.Edit{Key: key, Remove: true})
	}
}

// change sets a key to another text, or removes it if the text is empty.
func change[T ~string](e *edits, key string, have, want T) {
	e.set(want != have && want != "", key, want)
	e.remove(want != have && want == "", key)
}

// configEdits returns the differences between the current configuration and the answers, key by
// key. It does not touch settings that agree, even if they are implicit.
func configEdits(in *installation.Installed, a *question.Answers, admins, writers []string) (e edits, restart []string) {
	c := in.Config
	e.set(!strings.EqualFold(c.Log.Level, a.LogLevel), "log.level", a.LogLevel)

	switch {
	case a.Storage != c.Storage.Driver:
		e.remove(true, "storage."+c.Storage.Driver)
		switch a.Storage {
		case config.Filesystem:
			e.set(true, "storage.filesystem.rootdirectory", a.StoragePath)
		case config.S3:
			e = append(e, s3Edits(in, a)...)
		default:
			e.set(true, "storage."+a.Storage, nil)
		}
		restart = append(restart, "storage")
	case a.Storage == config.Filesystem && a.StoragePath != c.Storage.Filesystem.RootDirectory:
		e.set(true, "storage.filesystem.rootdirectory", a.StoragePath)
		restart = append(restart, "storage.filesystem.rootdirectory")
	case a.Storage == config.S3:
		if changed := s3Edits(in, a); len(changed) > 0 {
			e, restart = append(e, changed...), append(restart, "storage.s3")
		}
	}

	e.set(a.Addr != c.HTTP.Addr, "http.addr", a.Addr)
	if a.Addr != c.HTTP.Addr {
		restart = append(restart, "http.addr")
	}
	if insecure := a.Insecure && a.TLS == setup.Off; insecure != c.HTTP.Insecure {
		e.set(insecure, "http.insecure", true)
		e.remove(!insecure, "http.insecure")
	}
	switch {
	case question.Ordered(a):
		acme, keys := acmeEdits(in, a)
		e, restart = append(e, acme...), append(restart, keys...)
	case string(a.TLS) != in.TLSMode() || a.TLS == setup.Files:
		certificate, key := a.TLSFiles()
		if certificate == "" {
			e.remove(c.HTTP.TLS.Certificate != "", "http.tls.certificate")
			e.remove(c.HTTP.TLS.Key != "", "http.tls.key")
			e.remove(c.HTTP.TLS.LetsEncrypt.Enabled(), "http.tls.letsencrypt")
			restart = append(restart, "http.tls")
		} else {
			e.remove(c.HTTP.TLS.LetsEncrypt.Enabled(), "http.tls.letsencrypt")
			e.set(certificate != c.HTTP.TLS.Certificate, "http.tls.certificate", certificate)
			e.set(key != c.HTTP.TLS.Key, "http.tls.key", key)
			if !c.HTTP.TLS.Enabled() || c.HTTP.TLS.LetsEncrypt.Enabled() {
				restart = append(restart, "http.tls")
			}
		}
	}

	if c.Auth.Method != config.AuthHtpasswd {
		e.remove(c.Auth.Method == config.AuthNone, "auth")
		e.set(true, "auth.htpasswd.realm", a.Realm)
		e.set(true, "auth.htpasswd.path", filepath.Join(a.Dir, installation.HtpasswdFile))
		restart = append(restart, "auth")
	}
	e.set(c.Auth.Method == config.AuthHtpasswd && a.Realm != c.Auth.Htpasswd.Realm, "auth.htpasswd.realm", a.Realm)
	haveAdmins := c.Auth.Htpasswd.Roles.Admin
	if len(haveAdmins) == 0 {
		haveAdmins = []string{string(setup.Admin)}
	}
	admins = withRole(in, c.Auth.Htpasswd.Roles.Admin, admins, a)
	e.set(!setup.SameNames(admins, haveAdmins), "auth.htpasswd.roles.admin", admins)
	writers = withRole(in, c.Auth.Htpasswd.Roles.Writer, writers, a)
	if !setup.SameNames(writers, c.Auth.Htpasswd.Roles.Writer) {
		e.set(len(writers) > 0, "auth.htpasswd.roles.writer", writers)
		e.remove(len(writers) == 0, "auth.htpasswd.roles.writer")
	}
	return e, restart
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
func acmeEdits(in *installation.Installed, a *question.Answers) (e edits, restart []string) {
	const section = "http.tls.letsencrypt."
	c, l := in.Config, in.Config.HTTP.TLS.LetsEncrypt
	change(&e, section+"cachefile", l.CacheFile, question.ACMECacheFile(in, a))
	change(&e, section+"email", l.Email, a.ACMEEmail)
	change(&e, section+"directoryurl", l.DirectoryURL, a.ACMEDirectory)
	change(&e, section+"cafile", l.CAFile, a.ACMECA)
	change(&e, section+"eabkid", l.EABKeyID, a.EABKeyID)
	change(&e, section+"eabkeyfile", l.EABKeyFile, a.EABKeyPath())
	host := machine.Canonical(a.Hostname)
	named := slices.ContainsFunc(l.Hosts, func(h string) bool { return machine.Canonical(h) == host })
	e.set(!named, section+"hosts", append([]string{host}, l.Hosts...))
	if len(e) > 0 {
		restart = append(restart, "http.tls.letsencrypt")
	}
	e.remove(c.HTTP.TLS.Certificate != "", "http.tls.certificate")
	e.remove(c.HTTP.TLS.Certificate != "", "http.tls.key")
	return e, restart
}
