package plan

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/question"
)

// keepsOwnFiles reports whether the installation keeps copies of the operator's files.
func (b *builder) keepsOwnFiles() bool {
	_, key := b.answers.TLSFiles()
	return b.answers.TLS == setup.Files && (b.answers.TLSCA != "" || key == b.path(installation.OwnKeyFile))
}

// ownCertificate plans the installation's copies of the operator's files: a decrypted key and the
// root. It returns the certificate and the PEM that clients must trust. An unreadable certificate
// was already reported; if the server uses it, it must not block other changes.
func (b *builder) ownCertificate() (*x509.Certificate, []byte, error) {
	if err := b.ownKey(); err != nil {
		return nil, nil, err
	}
	roots, err := b.ownCA()
	if err != nil {
		return nil, nil, err
	}
	chain, err := b.answers.ReadChain(b.answers.CertFile)
	switch c := b.installed.Config; {
	case err == nil && roots != nil:
		return chain[0], roots, nil
	case err == nil:
		return chain[0], certgen.EncodeChain(certgen.Anchors(chain)...), nil
	case c != nil && c.HTTP.TLS.Certificate == b.answers.CertFile:
		return nil, roots, nil
	}
	return nil, nil, fmt.Errorf("read certificate: %w", err)
}

// ownKey plans the decrypted copy of an encrypted key.
func (b *builder) ownKey() error {
	_, key := b.answers.TLSFiles()
	switch {
	case key != b.path(installation.OwnKeyFile):
		b.discard(installation.OwnKeyFile, true)
		return nil
	case filepath.Clean(b.answers.KeyFile) == key:
		b.keepSecret(installation.OwnKeyFile)
		return nil
	}
	data, err := b.answers.DecryptedKey()
	if err != nil {
		return finding.NewError(setup.Refuse(certgen.CodeKeyEncrypted, err.Error(), "").
			WithRemedy(finding.Textf("name the file with the password of the key: %s",
				question.ByFlag("--tls-key-password-file"))))
	}
	b.secret(installation.OwnKeyFile, data, "the private key of "+b.answers.KeyFile+", decrypted")
	return nil
}

// ownCA plans the copy of the root, and returns it.
func (b *builder) ownCA() ([]byte, error) {
	if b.answers.TLSCA == "" {
		b.discard(installation.OwnCAFile, false)
		return nil, nil
	}
	roots, err := b.answers.ReadChain(b.answers.TLSCA)
	if err != nil {
		return nil, fmt.Errorf("read root of the certificate: %w", err)
	}
	data := certgen.EncodeChain(roots...)
	b.file(installation.OwnCAFile, data, "the root of the certificate, for clients to trust")
	return data, nil
}

// discard plans to remove a copy that the installation no longer uses, if there is one.
func (b *builder) discard(name string, secret bool) {
	if _, err := os.Lstat(b.path(name)); err == nil {
		b.remove(b.path(name), secret, "no longer used")
	}
}
