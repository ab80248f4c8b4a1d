package question

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// certNameCode is certgen's code for a name that a certificate lacks.
const certNameCode = certgen.CodeName

func tlsQuestion() *Question {
	return &Question{
		ID: "tls", Step: "tls", Title: "TLS", Default: string(setup.PrivateCA),
		Flags: []Flag{textFlag("tls", "MODE",
			"certificate source: private-ca, self-signed, files, letsencrypt or off (default private-ca)")},
		Ask: "Where does the server's certificate come from?",
		Help: "Every request carries a password, and TLS protects it. With a private CA, clients trust ca.crt " +
			"once and notice no renewal. A self-signed certificate must be distributed again after each " +
			"renewal. Use your own files if you have a CA; they stay where they are. Let's Encrypt, or another " +
			"ACME directory, verifies this server on port 443 under its host name; the server renews the " +
			"certificate by itself.",
		Choices: options(
			option(setup.PrivateCA, "Private CA", "a CA of this installation signs it; clients trust ca.crt once"),
			option(setup.SelfSigned, "Self-signed", "a single certificate, to be trusted again after each renewal"),
			option(setup.Files, "Own files", "certificate and key that you have"),
			option(setup.LetsEncrypt, "Let's Encrypt",
				"a publicly trusted CA signs it, for a name that resolves to this machine from the internet"),
			option(setup.Off, "Off", "plain HTTP, behind a proxy or for trying out on this machine"),
		),
		Answer: func(a *Answers) *string { return (*string)(&a.TLS) },
		InUse:  func(in *installation.Installed) string { return in.TLSMode() },
		Validate: func(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
			findings := judgeCAKey(a)
			if finding.AnyRefused(findings) {
				return findings
			}
			if a.TLS == setup.PrivateCA && a.Existing != nil && a.Existing.CA != nil && !a.NewCA {
				return append(findings, judgeCA(a, m.Time())...)
			}
			if Ordered(a) {
				return checkOrder(a)
			}
			return nil
		},
		Probe: func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
			if Ordered(a) {
				return probeOrder(ctx, m, a)
			}
			return nil
		},
	}
}

// judgeCA reports whether the existing CA can sign a certificate that is due, for the requested
// lifetime.
func judgeCA(a *Answers, now time.Time) []finding.Finding {
	if reason := LeafReason(a, a.Existing); reason == "" {
		return nil
	}
	if outside := outsideCA(a); len(outside) > 0 {
		return outside
	}
	ca := a.Existing.CA.Chain[0]
	if now.After(ca.NotAfter) {
		p := certgen.CheckCA(ca, nil, now)[0]
		f := setup.Refuse(p.Code, "a new certificate is due, and the CA cannot sign it: "+p.What, p.Remedy)
		return []finding.Finding{f.About("", "--new-ca")}
	}
	if _, err := SigningCA(a, a.Existing); err != nil {
		return []finding.Finding{CannotSign(err)}
	}
	if end := now.AddDate(0, 0, a.LifetimeDays()); ca.NotAfter.Before(end.Add(-certgen.Backdate)) {
		f := setup.Warn(setup.CodeShortLife, fmt.Sprintf("the new certificate ends on %s, not on %s: its CA ends then",
			installation.Day(ca.NotAfter), installation.Day(end)),
			"packhouse cert rotate --new-ca creates another CA; give its ca.crt to every client")
		return []finding.Finding{f.About("", "--new-ca")}
	}
	return nil
}

func insecureQuestion() *Question {
	return &Question{
		ID: "insecure", Step: "tls", Title: "Plain HTTP",
		Flags: []Flag{boolFlag("insecure", "accept passwords over plain HTTP from other machines")},
		Ask:   "Really let passwords cross the network unencrypted?",
		Help: "Without TLS, anyone between a client and this server can read and change user names, passwords and " +
			"content. docker and podman refuse such registries unless each machine is configured to accept " +
			"them. Choose this only behind a proxy that speaks TLS, or in a network that you trust entirely.",
		Asked: func(a *Answers) bool { return a.TLS == setup.Off && !config.Local("tcp", a.Addr) },
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if !a.Insecure {
				return refused(setup.CodePlain, "without TLS passwords cross the network unencrypted, and "+a.Addr+" is open to it",
					"choose a certificate, listen on this machine only (127.0.0.1:5000), or confirm that this is wanted")
			}
			return nil
		},
		Confirms: func(a *Answers) *bool { return &a.Insecure },
	}
}

func keyTypeQuestion() *Question {
	return &Question{
		ID: "key-type", Step: "tls", Title: "Key", Advanced: true, Asked: Made, Default: string(certgen.ECDSAP256),
		Belongs: "a certificate that setup makes: --tls private-ca or self-signed",
		Flags: []Flag{textFlag("key-type", "TYPE",
			"type of the certificate's key: ecdsa-p256, rsa-2048 or rsa-4096 (default ecdsa-p256)")},
		Ask: "Which kind of key shall the certificate have?",
		Help: "Every client of the last decade supports ECDSA with P-256, and its handshakes are cheap. RSA is " +
			"for older clients.",
		Choices: options(
			option(certgen.ECDSAP256, "ECDSA P-256", "small and quick"),
			option(certgen.RSA2048, "RSA 2048", "for old clients"),
			option(certgen.RSA4096, "RSA 4096", "where a policy asks for it; handshakes cost ten times as much"),
		),
		Answer: func(a *Answers) *string { return (*string)(&a.KeyType) },
		Clean:  strings.ToLower,
		InUse: func(in *installation.Installed) string {
			if in.Cert == nil {
				return ""
			}
			return in.Cert.Info.KeyType
		},
	}
}

// longest is the longest certificate lifetime in days that Apple clients accept.
const longest = 825

// LifetimeDays returns the lifetime of a new certificate in days.
func (a *Answers) LifetimeDays() int {
	switch {
	case a.CertDays != 0:
		return a.CertDays
	case a.TLS == setup.SelfSigned:
		return certgen.DefaultSelfSignedDays
	}
	return certgen.DefaultLeafDays
}

var errNotNumber = errors.New("is not a whole number")

func certDaysQuestion() *Question {
	return &Question{
		ID: "cert-days", Step: "tls", Title: "Life", Kind: Number, Advanced: true, Asked: Made,
		Belongs: "a certificate that setup makes: --tls private-ca or self-signed",
		Flags: []Flag{textFlag("cert-days", "N",
			"validity of a new certificate in days (default 397 from the private CA, 825 self-signed)")},
		Ask: "How many days shall the certificate live?",
		Help: "With a private CA, renewal costs nothing, so keep it short: 397 days. A self-signed certificate " +
			"must be distributed again after each renewal: 825 days, the maximum that Apple's clients accept.",
		Get: func(a *Answers) string { return strconv.Itoa(a.LifetimeDays()) },
		Set: func(a *Answers, s string) error {
			days, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil {
				return errNotNumber
			}
			if days != a.LifetimeDays() {
				a.CertDays = days
			}
			return nil
		},
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			switch days := a.LifetimeDays(); {
			case days < 1 || days > 36500:
				return refused(setup.CodeValue, fmt.Sprintf("a life of %d days is not between 1 and 36500", days),
					"397 is a good number")
			case days > longest:
				return warned(setup.CodeLongLife,
					fmt.Sprintf("Apple's clients refuse certificates that live over %d days", longest), "choose 825 or less")
			}
			return nil
		},
	}
}

func subjectQuestion() *Question {
	return &Question{
		ID: "subject", Step: "tls", Title: "Subject", Advanced: true, Asked: Made,
		Belongs: "a certificate that setup makes: --tls private-ca or self-signed",
		Flags:   []Flag{textFlag("subject", "SUBJECT", "additional fields of the certificate's subject: C=,ST=,L=,O=,OU=")},
		Ask:     "What else shall the certificate say about you?",
		Help: "For people who inspect the certificate: C=DE,ST=Berlin,L=Berlin,O=Example,OU=Platform; each part " +
			"is optional. Clients ignore it.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if _, err := certgen.ParseSubject(a.Subject); err != nil {
				return refused(setup.CodeValue, strings.TrimPrefix(err.Error(), "parse subject: "), "write it as C=DE,O=Example")
			}
			return nil
		},
		Answer: func(a *Answers) *string { return &a.Subject },
	}
}

// renewal returns a question about renewing the existing certificate.
func renewal(title, ask, help string, flag Flag, confirms func(*Answers) *bool) *Question {
	return &Question{
		ID: flag.Name, Step: "tls", Title: title, Ask: ask, Help: help, Flags: []Flag{flag}, Advanced: true, Once: true,
		Confirms: confirms,
		Asked: func(a *Answers) bool {
			in := a.Existing
			switch {
			case !Made(a) || in == nil || in.Cert == nil:
				return false
			case flag.Name == "new-ca":
				return a.TLS == setup.PrivateCA
			case flag.Name == "drop-old-ca":
				return a.TLS == setup.PrivateCA && in.CA != nil && len(in.CA.Chain) > 1
			}
			return true
		},
		Changed: func(a *Answers, _ string) { a.RotateCert = a.RotateCert || a.NewKey || a.NewCA || a.DropOldCA },
	}
}

func rotateCertQuestion() *Question {
	return renewal("Renew", "Make a new certificate now?",
		"The certificate in use stays as long as it fits the answers. A new one can be made at any time; under the private CA "+
			"clients notice nothing.",
		boolFlag("rotate-cert", "issue a new certificate now"), func(a *Answers) *bool { return &a.RotateCert })
}

func newKeyQuestion() *Question {
	return renewal("New key", "Make a new key with it?",
		"A renewed certificate keeps its key unless you ask for a new one, for instance because someone saw the old one. Only "+
			"clients that pin the key notice.",
		boolFlag("new-key", "create a new private key for the certificate (implies --rotate-cert)"),
		func(a *Answers) *bool { return &a.NewKey })
}

func newCAQuestion() *Question {
	return renewal("New CA", "Make a new certificate authority?",
		"Every client has to trust the new ca.crt. It is handed out together with the old one, so clients can be moved over one "+
			"by one.",
		boolFlag("new-ca", "create a new private CA and issue the certificate from it (implies --rotate-cert); "+
			"clients must trust the new CA"),
		func(a *Answers) *bool { return &a.NewCA })
}

func dropOldCAQuestion() *Question {
	return renewal("Old CA", "Stop handing out the previous CA?",
		"After a new CA was created, ca.crt contains the old one too. Remove the old one when every client trusts the "+
			"new one.",
		boolFlag("drop-old-ca",
			"stop handing out the previous CA; use it after --new-ca, when every client trusts the new CA"),
		func(a *Answers) *bool { return &a.DropOldCA })
}
