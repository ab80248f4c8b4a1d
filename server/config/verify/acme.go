package verify

import (
	"errors"
	"io/fs"
	"os"

	"packhouse/certgen"
	"packhouse/server/config"
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
		v.refusef(config.CodeFile, cache, "name a directory, or remove the file", " is not a directory: %s",
			config.QuotePath(directory))
		return
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		v.refusef(config.CodeRights, cache, "let the user who runs the server search the directories above",
			" cannot be looked at: %s (%s)", config.QuotePath(directory), config.Reason(err))
		return
	}
	if dir, err := tryWrite(directory); err != nil {
		v.refusef(config.CodeRights, cache, "give it to the user who runs the server: without it nothing is ordered",
			" cannot be written: %s (%s)", config.QuotePath(dir), config.Reason(err))
	}
}

// eabKey verifies the key file of the external account.
func (v *verifier) eabKey(l config.LetsEncrypt) {
	const key = "http.tls.letsencrypt.eabkeyfile"
	if l.EABKeyFile == "" {
		return
	}
	data, ok := v.read(key, l.EABKeyFile)
	if !ok {
		return
	}
	v.open(key, l.EABKeyFile)
	if _, err := config.ParseEABKey(data); err != nil {
		v.refusef(config.CodeFile, key, "write the HMAC key as the CA gave it to you, in one line",
			" %s cannot be used: %v", config.QuotePath(l.EABKeyFile), err)
	}
}
