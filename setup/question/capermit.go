package question

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

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
	if has := permittedBeyondNames(ca, a.Existing); !slices.Equal(sorted(has), sorted(wanted.Strings())) {
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
	f.Question, f.Flag = "san", "--san"
	return []finding.Finding{f}
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

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
