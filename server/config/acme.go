package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/pattern"
)

// letsEncryptValues validates the individual values of the ACME section.
func (d *decoder) letsEncryptValues(l *LetsEncrypt) {
	p := "http.tls.letsencrypt"
	for i, host := range l.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", p, i)
		names, err := certgen.ParseNames([]string{host})
		var refused *certgen.NameError
		switch {
		case errors.As(err, &refused):
			d.fail(CodeValue, d.origins[at], at,
				fmt.Sprintf("%s is not a valid name for a certificate: %s (%s)", at, Quote(host), refused.Reason),
				"write the host names that clients use, each by itself")
		case err != nil:
			d.fail(CodeValue, d.origins[at], at, fmt.Sprintf("%s is not a valid name for a certificate: %s", at, Quote(host)),
				"write the host names that clients use, each by itself")
		case len(names.IPs) > 0:
			d.fail(CodeValue, d.origins[at], at, fmt.Sprintf("%s is an address: %s", at, Quote(host)),
				"ACME directories sign names; write the name that resolves to this machine")
		}
	}
	if l.Email != "" && !mailForm(l.Email) {
		d.fail(CodeValue, d.origins[p+".email"], p+".email",
			fmt.Sprintf("%s.email is not an address for mail: %s", p, Quote(l.Email)),
			"write it like you@example.com, or remove the line")
	}
	if l.DirectoryURL != "" {
		if u, err := url.Parse(l.DirectoryURL); err != nil || u.Scheme != "https" || u.Host == "" {
			d.fail(CodeValue, d.origins[p+".directoryurl"], p+".directoryurl",
				fmt.Sprintf("%s.directoryurl is not an https:// URL: %s", p, Quote(l.DirectoryURL)),
				"write the URL of the directory, like https://acme-v02.api.letsencrypt.org/directory")
		}
	}
	if (l.EABKeyID == "") != (l.EABKeyFile == "") {
		given, missing := p+".eabkid", p+".eabkeyfile"
		if l.EABKeyID == "" {
			given, missing = missing, given
		}
		d.fail(CodeMissing, d.origins[given], missing, fmt.Sprintf("%s is set without %s", given, missing),
			"set both, as the CA gave them to you")
	}
	if l.HTTPAddr != "" {
		d.address(p+".httpaddr", l.HTTPAddr)
	}
}

// inStorage is the prefix of a cachefile that is a folder of the storage instead of a directory.
const inStorage = "storage:"

// storageFolder matches valid folder names: one path or key element, for every storage driver.
var storageFolder = pattern.Lazy(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// StorageFolder returns the folder of the storage that holds the ACME account and certificates,
// shared by all servers of that storage. The prefix keeps it apart from packhouse's own folders. It
// returns "" if CacheFile is a directory on this server.
func (l LetsEncrypt) StorageFolder() string {
	folder, ok := strings.CutPrefix(l.CacheFile, inStorage)
	if !ok {
		return ""
	}
	return "acme/" + folder
}

// CertificateDirectory returns the local directory that holds the ACME account and certificates:
// cachefile itself, or a folder of file-system storage. It returns "" if they are in a bucket.
func (c *Config) CertificateDirectory() string {
	l := c.HTTP.TLS.LetsEncrypt
	switch folder := l.StorageFolder(); {
	case folder == "":
		return l.CacheFile
	case c.Storage.Driver == Filesystem:
		return filepath.Join(c.Storage.Filesystem.RootDirectory, "packhouse", "v1", "records", filepath.FromSlash(folder))
	}
	return ""
}

// letsEncryptStorage validates a cachefile in the storage.
func (d *decoder) letsEncryptStorage(c *Config) {
	const at = "http.tls.letsencrypt.cachefile"
	file := c.HTTP.TLS.LetsEncrypt.CacheFile
	if !strings.HasPrefix(file, inStorage) {
		return
	}
	switch folder := file[len(inStorage):]; {
	case !storageFolder().MatchString(folder):
		d.fail(CodeValue, d.origins[at], at, fmt.Sprintf("%s names no folder of the storage: %s", at, Quote(file)),
			"write it like storage:le-cache: small letters, digits, '.', '_' and '-', 63 at most")
	case c.Storage.Driver == InMemory:
		d.fail(CodeConflict, d.origins[at], at,
			at+" names the storage, which is gone when the server ends, so every start would order a new certificate until the CA's rate limit is reached",
			"name a directory that stays")
	case c.Storage.Maintenance.ReadOnly.Enabled:
		d.note(finding.Warning, d.origins[at], at,
			at+" is in the storage, which nothing is written to: this server orders and renews nothing, and takes over what another one does",
			"name a directory, or see that another server does not have storage.maintenance.readonly")
	}
}

// mailForm reports whether s has the form of an email address. Only the CA can verify it.
func mailForm(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(s, " \t<>,;:\"") && strings.Count(s, "@") == 1
}

var errEABKey = errors.New("it holds no HMAC key in base64url form")

// ParseEABKey decodes the HMAC key of an external account, which CAs issue in base64url with or
// without padding. The error does not contain the key.
func ParseEABKey(data []byte) ([]byte, error) {
	text := strings.TrimRight(strings.TrimSpace(string(data)), "=")
	key, err := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(text))
	if err != nil || len(key) == 0 {
		return nil, errEABKey
	}
	return key, nil
}
