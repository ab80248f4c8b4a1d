package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"packhouse/certgen"
	"packhouse/finding"
)

// acme verifies the files and directories named in the ACME section.
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
	v.eabKey(l)
	directory := v.loaded.Config.CertificateDirectory()
	if directory == "" || l.StorageFolder() != "" && v.loaded.Config.Storage.Maintenance.ReadOnly.Enabled {
		return // bucket and storage verify the storage
	}
	info, err := os.Stat(directory)
	switch {
	case err == nil && !info.IsDir():
		v.add(finding.Refused, CodeFile, cache, fmt.Sprintf(" is not a directory: %s", quotePath(directory)),
			"name a directory, or remove the file")
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		v.add(finding.Refused, CodeRights, cache,
			fmt.Sprintf(" cannot be looked at: %s (%s)", quotePath(directory), reason(err)),
			"let the user who runs the server search the directories above")
		return
	}
	if dir, err := tryWrite(directory); err != nil {
		v.add(finding.Refused, CodeRights, cache, fmt.Sprintf(" cannot be written: %s (%s)", quotePath(dir), reason(err)),
			"give it to the user who runs the server: without it nothing is ordered")
	}
}

// eabKey verifies the key file of the external account.
func (v *verifier) eabKey(l LetsEncrypt) {
	const key = "http.tls.letsencrypt.eabkeyfile"
	if l.EABKeyFile == "" {
		return
	}
	data, ok := v.read(key, l.EABKeyFile)
	if !ok {
		return
	}
	v.open(key, l.EABKeyFile)
	if _, err := ParseEABKey(data); err != nil {
		v.add(finding.Refused, CodeFile, key, fmt.Sprintf(" %s cannot be used: %v", quotePath(l.EABKeyFile), err),
			"write the HMAC key as the CA gave it to you, in one line")
	}
}
