package question

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/net/publicsuffix"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// judgeCAKey reports a --ca-key that cannot sign a certificate of the installation, or that other
// users can read.
func judgeCAKey(a *Answers) []finding.Finding {
	if a.CAKey == "" {
		return nil
	}
	found := func(f finding.Finding) []finding.Finding {
		return []finding.Finding{f.About("", "--ca-key")}
	}
	const leaveOut = "leave out --ca-key"
	cert := filepath.Join(a.Dir, installation.CACertFile)
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

// CannotSign returns the finding for an error of [SigningCA] if a new certificate is due.
func CannotSign(err error) finding.Finding {
	return setup.Refuse(setup.CodeCAKey, "a new certificate is due, and the CA cannot sign it: "+err.Error(),
		"bring ca.key back, say with --ca-key where it is, or make a new CA with --new-ca")
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

// caPermitQuestion asks for the name constraints of a private CA.
func caPermitQuestion() *Question {
	return &Question{
		ID: "ca-permit", Step: "tls", Title: "Limits of the CA", Advanced: true, Empty: "no limit",
		Belongs: "--tls private-ca",
		Flags:   []Flag{listFlag("ca-permit", "NAME_OR_CIDR", "limit a new private CA to names below NAME, or addresses in CIDR (default no limit: a name outside needs a new CA that every client must trust)")},
		Ask:     "Limit the private CA to which names and networks?",
		Help: "Names and CIDR networks, separated by commas: example.com permits example.com and every name below it. A stolen key of a limited CA cannot be used " +
			"to impersonate other sites to your clients. All names of the certificate, localhost and loopback addresses are always permitted. Off by default: a name " +
			"outside the limits later needs a new CA (--new-ca), which every client must trust. The limits of an existing CA cannot change.",
		Asked:    func(a *Answers) bool { return a.TLS == setup.PrivateCA },
		Validate: validateCAPermit,
		Get:      func(a *Answers) string { return strings.Join(a.CAPermit, ",") },
		Set: func(a *Answers, s string) error {
			a.CAPermit = setup.SplitList(s)
			return nil
		},
	}
}

// validateCAPermit validates the limits, and that they match the existing CA unless a new one is
// created.
func validateCAPermit(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
	wanted, err := certgen.ParsePermitted(a.CAPermit)
	if err != nil {
		return []finding.Finding{machine.Misnamed(setup.CodeName, err,
			"give a DNS name such as example.com, or a network such as 10.0.0.0/8")}
	}
	ca := a.existingCA()
	if ca == nil || a.NewCA {
		return nil
	}
	if has := permittedBeyondNames(ca, a.Existing); !setup.SameNames(has, wanted.Strings()) {
		limits := "not limited"
		if len(has) > 0 {
			limits = "limited to " + strings.Join(has, ", ")
		}
		return refused(setup.CodeCALimits, "the existing CA is "+limits+", and the limits of a CA cannot change",
			"add --new-ca, and have every client trust the new ca.crt")
	}
	return nil
}

// existingCA returns the certificate of the existing CA, or nil.
func (a *Answers) existingCA() *installation.Certificate {
	if a.Existing == nil || a.Existing.CA == nil || len(a.Existing.CA.Chain) == 0 {
		return nil
	}
	return a.Existing.CA
}

// InstalledLimits returns the limits requested when the existing CA was created. ok is false without a
// CA.
func (a *Answers) InstalledLimits() (limits []string, ok bool) {
	ca := a.existingCA()
	if ca == nil {
		return nil, false
	}
	return permittedBeyondNames(ca, a.Existing), true
}

// outsideCA returns a finding if a new certificate is due with names that the existing CA does not
// permit, so that setup refuses them before it writes anything.
func outsideCA(a *Answers) []finding.Finding {
	ca := a.existingCA()
	if ca == nil || a.NewCA {
		return nil
	}
	names, err := a.CertNames()
	if err != nil {
		return nil // the names' own questions report it
	}
	permitted, limited := certgen.PermittedBy(ca.Chain[0])
	outside := permitted.Lacking(names).Strings()
	if !limited || len(outside) == 0 {
		return nil
	}
	f := setup.Refuse(setup.CodeCALimits, fmt.Sprintf("the CA may not sign a certificate for %s: it is limited to %s",
		strings.Join(outside, ", "), strings.Join(permitted.Strings(), ", ")),
		"leave the name out, or add --new-ca, and have every client trust the new ca.crt")
	return []finding.Finding{f.About("san", "--san")}
}

// CALimits returns the limits of a new CA: those of the answers, plus the certificate's names and
// the short host name. Without limits in the answers, it returns none.
func CALimits(a *Answers, names certgen.Names) (certgen.Permitted, error) {
	limits, err := certgen.ParsePermitted(a.CAPermit)
	if err != nil || limits.Empty() {
		return certgen.Permitted{}, err
	}
	limits = limits.With(names)
	if short, rest, _ := strings.Cut(machine.Canonical(a.Hostname), "."); rest != "" && !machine.IsAddress(a.Hostname) &&
		!topLevel(short) {
		limits = limits.With(certgen.Names{DNS: []string{short}})
	}
	return limits, nil
}

// topLevel reports whether label is a public top-level domain: a CA that permits "dev" could sign
// for every site below it.
func topLevel(label string) bool {
	_, icann := publicsuffix.PublicSuffix(label)
	return icann
}

// permittedBeyondNames returns the limits requested when ca was created, without those that setup
// adds itself.
func permittedBeyondNames(ca *installation.Certificate, in *installation.Installed) []string {
	if in.Manifest != nil {
		if text, ok := in.Manifest.Settings[SettingCAPermit]; ok {
			wanted, err := certgen.ParsePermitted(setup.SplitList(text))
			if err == nil {
				return wanted.Strings()
			}
		}
	}
	permitted, _ := certgen.PermittedBy(ca.Chain[0])
	return permitted.Strings()
}

// SettingCAPermit is the key of the limits in .installed.json.
const SettingCAPermit = "ca-permit"
