package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"packhouse/certgen"
)

// letsEncryptValues checks the values of the section for certificates from an ACME directory, each by itself.
func (d *decoder) letsEncryptValues(l *LetsEncrypt) {
	p := "http.tls.letsencrypt"
	for i, host := range l.Hosts {
		at := fmt.Sprintf("%s.hosts[%d]", p, i)
		names, err := certgen.ParseNames([]string{host})
		var refused *certgen.NameError
		switch {
		case errors.As(err, &refused):
			d.fail(CodeValue, d.origins[at], at, fmt.Sprintf("%s is no name to order a certificate for: %s (%s)", at, quote(host), refused.Reason), "write the host names that clients use, each by itself")
		case err != nil:
			d.fail(CodeValue, d.origins[at], at, fmt.Sprintf("%s is no name to order a certificate for: %s", at, quote(host)), "write the host names that clients use, each by itself")
		case len(names.IPs) > 0:
			d.fail(CodeValue, d.origins[at], at, fmt.Sprintf("%s is an address: %s", at, quote(host)), "ACME directories sign for names; write the one that leads to this machine")
		}
	}
	if l.Email != "" && !mailForm(l.Email) {
		d.fail(CodeValue, d.origins[p+".email"], p+".email", fmt.Sprintf("%s.email is not an address for mail: %s", p, quote(l.Email)), "write it like you@example.com, or remove the line")
	}
	if l.DirectoryURL != "" {
		if u, err := url.Parse(l.DirectoryURL); err != nil || u.Scheme != "https" || u.Host == "" {
			d.fail(CodeValue, d.origins[p+".directoryurl"], p+".directoryurl", fmt.Sprintf("%s.directoryurl is not an https:// URL: %s", p, quote(l.DirectoryURL)), "write the URL of the directory, like https://acme-v02.api.letsencrypt.org/directory")
		}
	}
	if l.HTTPAddr != "" {
		d.address(p+".httpaddr", l.HTTPAddr)
	}
	if strings.HasPrefix(l.CacheFile, "storage:") {
		d.fail(CodeUnsupported, d.origins[p+".cachefile"], p+".cachefile", p+".cachefile names the storage, which keeps no certificates here", "name a directory that stays")
	}
}

// mailForm tells whether something could be an address for mail. Only the CA can tell whether it is.
func mailForm(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(s, " \t<>,;:\"") && strings.Count(s, "@") == 1
}

// acme checks what the section for certificates from an ACME directory points at.
func (v *verifier) acme() {
	l := v.loaded.Config.HTTP.TLS.LetsEncrypt
	if !l.Enabled() {
		return
	}
	const cache, ca = "http.tls.letsencrypt.cachefile", "http.tls.letsencrypt.cafile"
	if l.CAFile != "" {
		if data, ok := v.read(ca, l.CAFile); ok {
			if _, err := certgen.ParseChain(data); err != nil {
				v.input(ca, l.CAFile, err)
			}
		}
	}
	info, err := os.Stat(l.CacheFile)
	switch {
	case err == nil && !info.IsDir():
		v.add(Error, CodeFile, cache, fmt.Sprintf(" is not a directory: %s", quotePath(l.CacheFile)), "name a directory, or remove the file")
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		v.add(Error, CodeRights, cache, fmt.Sprintf(" cannot be looked at: %s (%s)", quotePath(l.CacheFile), reason(err)), "let the user who runs the server search the directories above")
		return
	}
	if dir, err := tryWrite(l.CacheFile); err != nil {
		v.add(Error, CodeRights, cache, fmt.Sprintf(" cannot be written: %s (%s)", quotePath(dir), reason(err)), "give it to the user who runs the server: without it nothing is ordered")
	}
}
