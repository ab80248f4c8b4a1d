package question

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// judgeCAKey reports a --ca-key that cannot sign a certificate of the installation, or that other
// users can read.
func judgeCAKey(a *Answers) []finding.Finding {
	if a.CAKey == "" {
		return nil
	}
	found := func(f finding.Finding) []finding.Finding {
		f.Flag = "--ca-key"
		return []finding.Finding{f}
	}
	const leaveOut = "leave out --ca-key"
	cert := filepath.Join(a.Dir, filepath.FromSlash(installation.CACertFile))
	switch {
	case a.TLS != setup.PrivateCA:
		return found(setup.Refuse(setup.CodeConflict, "", "").
			WithWhat(finding.Textf("%s %s uses no private CA, so its key is not needed", ByFlag("--tls"), a.TLS)).
			WithRemedy(finding.Textf(leaveOut+", or use %s private-ca", ByFlag("--tls"))))
	case a.NewCA:
		return found(setup.Refuse(setup.CodeConflict, "a new CA has a new key, so the key of the old one is not needed",
			leaveOut+" or --new-ca"))
	case a.Existing == nil || a.Existing.CA == nil:
		return found(setup.Refuse(setup.CodeConflict,
			"the installation has no private CA yet, so no certificate belongs to "+a.CAKey,
			leaveOut+" to create a CA, or copy the certificate of your CA to "+cert+" first"))
	}
	if _, err := SigningCA(a, a.Existing); err != nil {
		if fault := trust.Unsafe(err); fault != nil {
			return found(setup.Refuse(installation.CodeUnsafe, fault.Error(), fault.Fix))
		}
		return found(setup.Refuse(setup.CodeCAKey, err.Error(), "name the file with the key of "+cert))
	}
	if info, err := os.Stat(a.CAKey); err == nil && info.Mode().Perm()&0o044 != 0 {
		what := fmt.Sprintf("%s has mode %04o: other users of this machine can read the CA's key", a.CAKey,
			info.Mode().Perm())
		return found(setup.Warn(setup.CodeOpenKey, what, "chmod 600 "+setup.Shell(a.CAKey)))
	}
	return nil
}

// LeafReason returns why a new server certificate is needed, or "" if the current one suffices.
func LeafReason(a *Answers, in *installation.Installed) string {
	if in == nil || in.Cert == nil || in.Cert.Path != in.Path(installation.CertFile) {
		return "there is none"
	}
	leaf := in.Cert
	switch {
	case leaf.Pair == nil:
		return "its key is missing or does not fit"
	case a.NewCA && a.TLS == setup.PrivateCA:
		return "a new CA was asked for"
	case a.DropOldCA && a.TLS == setup.PrivateCA:
		return "the old CA is no longer handed out"
	case a.NewKey:
		return "a new key was asked for"
	case a.RotateCert:
		return "a new one was asked for"
	case in.TLSMode() != string(a.TLS):
		return "it comes from another source"
	}
	if a.TLS == setup.PrivateCA && (in.CA == nil || leaf.Chain[0].CheckSignatureFrom(in.CA.Chain[0]) != nil) {
		return "it is not signed by ca.crt"
	}
	names, err := a.CertNames()
	if err != nil {
		return "the names changed"
	}
	have := leaf.Info.Names
	switch {
	case !names.Without(have).Empty() || !have.Without(names).Empty():
		return "the names changed"
	case string(a.KeyType) != leaf.Info.KeyType:
		return "the kind of key changed"
	case sameForm(a.Subject) != certgen.FormatSubject(leaf.Chain[0].Subject):
		return "the subject changed"
	case a.LifetimeDays() != installation.LifeDays(leaf.Chain[0]) &&
		!(installation.CutByCA(leaf.Chain) && a.CertDays == 0):
		return "its life changed"
	}
	return ""
}

// sameForm returns a subject as read back from a certificate: parts in canonical order, without
// surrounding spaces.
func sameForm(subject string) string {
	name, err := certgen.ParseSubject(subject)
	if err != nil {
		return subject
	}
	return certgen.FormatSubject(name)
}

// SigningCA returns the installation's CA with its key. If ca.crt contains several, only the newest
// signs.
func SigningCA(a *Answers, in *installation.Installed) (*certgen.Pair, error) {
	if in.CA == nil {
		return nil, errors.New("there is no ca.crt")
	}
	pair := in.CA.Pair
	if a.CAKey != "" {
		cert, err := in.ReadOpen(in.CA.Path)
		if err != nil {
			return nil, fmt.Errorf("read the CA: %w", err)
		}
		key, err := readGiven(a.CAKey)
		if err != nil {
			return nil, fmt.Errorf("read the CA's key: %w", err)
		}
		if pair, err = certgen.ParsePair(cert, key); err != nil {
			return nil, fmt.Errorf("%s: %w", a.CAKey, err)
		}
	}
	if pair == nil {
		if errors.Is(in.CA.Problem, os.ErrNotExist) {
			return nil, fmt.Errorf("its key, %s, does not exist", in.Path(installation.CAKeyFile))
		}
		return nil, in.CA.Problem
	}
	return &certgen.Pair{Chain: pair.Chain[:1], Key: pair.Key}, nil
}
