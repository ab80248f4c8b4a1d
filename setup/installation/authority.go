package installation

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/trust"
)

// VerifyKeyTarget returns an error if [apply.MoveCAKey] cannot move a key to target, because target
// exists, its directory does not, or another user can write the directory. Commands call it before
// they change anything.
func VerifyKeyTarget(target string) error {
	target, err := setup.Absolute(target)
	if err != nil {
		return err
	}
	dir, err := OpenKeyDir(target)
	if err != nil {
		return err
	}
	return dir.Close()
}

// OpenKeyDir opens the directory of target, which must not exist. It returns a [*trust.Error] if
// another user than those of [trust.Caller] can write the directory, or replace it.
func OpenKeyDir(target string) (*trust.Dir, error) {
	policy := trust.Caller() // the key may be on a removable disk of the user who runs sudo
	if err := policy.Check(filepath.Dir(target)); err != nil {
		return nil, err
	}
	dir, err := policy.OpenDir(filepath.Dir(target))
	if err != nil {
		return nil, err
	}
	exists, err := dir.Exists(filepath.Base(target))
	if err == nil && exists {
		err = fmt.Errorf("%s exists already: name a new file", target)
	}
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

// KeepCAKeyQuestion asks whether to keep the private CA when an installation is removed.
const KeepCAKeyQuestion = "With the CA's key and certificate, clients will trust a later installation.\n" +
	"Anyone with the key can impersonate this registry. Keep them?"

// TrustedBySystem reports whether the system's roots verify a chain.
func TrustedBySystem(chain []*x509.Certificate, now time.Time) bool {
	return !slices.ContainsFunc(certgen.Verify(chain, nil, nil, certgen.Names{}, now), func(p finding.Finding) bool {
		return p.Code == certgen.CodeIncomplete || p.Code == certgen.CodeUntrusted
	})
}
