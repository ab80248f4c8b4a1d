package question

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	q := &Question{
		ID: "tls", Title: "TLS", Flags: []string{"--tls"},
		Ask: "Where does the server's certificate come from?",
		Help: "Passwords cross the network with every request, so TLS is what keeps them. Under a private CA clients trust ca.crt once and notice no renewal. A " +
			"self-signed certificate has to be handed out again each time. Your own files suit where an authority exists already; they are used where they lie. " +
			"Let's Encrypt, or another ACME directory, asks this server for a proof on port 443 under its host name; the server renews by itself.",
		Choices: func(*machine.Machine, *Answers) []Option {
			return []Option{
				{
					Value: string(setup.PrivateCA),
					Title: "Private CA",
					Text:  "a CA of this installation signs it; clients trust ca.crt once",
				},
				{
					Value: string(setup.SelfSigned),
					Title: "Self-signed",
					Text:  "a single certificate, to be trusted again after each renewal",
				},
				{Value: string(setup.Files), Title: "Own files", Text: "certificate and key that you have"},
				{
					Value: string(setup.LetsEncrypt),
					Title: "Let's Encrypt",
					Text:  "a CA that everybody trusts signs it, for a name that leads here from the internet",
				},
				{
					Value: string(setup.Off),
					Title: "Off",
					Text:  "plain HTTP, behind a proxy or for trying out on this machine",
				},
			}
		},
		Get: func(a *Answers) string { return string(a.TLS) },
		Set: func(a *Answers, s string) error {
			a.TLS = setup.TLSMode(strings.TrimSpace(s))
			return nil
		},
		Validate: func(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
			findings := judgeCAKey(a)
			if finding.AnyRefused(findings) {
				return findings
			}
			if a.TLS == setup.PrivateCA && a.Existing != nil && a.Existing.CA != nil && !a.NewCA {
				return append(findings, judgeCA(a, m.Time())...)
			}
			if Ordered(a) {
				return judgeOrder(a)
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
	q.oneOf(func(in *installation.Installed) string { return in.TLSMode() })
	return q
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
		f.Flag = "--new-ca"
		return []finding.Finding{f}
	}
	if _, err := SigningCA(a, a.Existing); err != nil {
		return refused(setup.CodeCAKey, "a new certificate is due, and the CA cannot sign it: "+err.Error(),
			"bring ca.key back, say with --ca-key where it is, or make a new CA with --new-ca")
	}
	var findings []finding.Finding
	if end := now.AddDate(0, 0, a.LifetimeDays()); ca.NotAfter.Before(end.Add(-certgen.Backdate)) {
		f := setup.Warn(setup.CodeShortLife, fmt.Sprintf("the new certificate ends on %s, not on %s: its CA ends then",
			installation.Day(ca.NotAfter), installation.Day(end)),
			"packhouse cert rotate --new-ca creates another CA; give its ca.crt to every client")
		f.Flag = "--new-ca"
		findings = append(findings, f)
	}
	return findings
}

func insecureQuestion() *Question {
	q := &Question{
		ID: "insecure", Title: "Plain HTTP", Flags: []string{"--insecure"},
		Ask: "Really let passwords cross the network unencrypted?",
		Help: "Without TLS anyone between a client and this server can read user names, passwords and content, and can change them. docker and podman refuse such a " +
			"registry unless told otherwise on every machine. It is right only behind a proxy that speaks TLS, or in a network that you trust entirely.",
		Asked: func(a *Answers) bool { return a.TLS == setup.Off && !config.Local("tcp", a.Addr) },
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if !a.Insecure {
				return refused(setup.CodePlain, "without TLS passwords cross the network unencrypted, and "+a.Addr+" is open to it",
					"choose a certificate, listen on this machine only (127.0.0.1:5000), or confirm that this is wanted")
			}
			return nil
		},
	}
	return q.confirm(func(a *Answers) *bool { return &a.Insecure })
}

func keyTypeQuestion() *Question {
	q := &Question{
		ID: "key-type", Title: "Key", Flags: []string{"--key-type"}, Advanced: true, Asked: Made,
		Ask:  "Which kind of key shall the certificate have?",
		Help: "ECDSA over P-256 is understood by every client of the last decade and its handshakes are cheap. RSA is for clients older than that.",
		Choices: func(*machine.Machine, *Answers) []Option {
			return []Option{
				{Value: string(certgen.ECDSAP256), Title: "ECDSA P-256", Text: "small and quick"},
				{Value: string(certgen.RSA2048), Title: "RSA 2048", Text: "for old clients"},
				{
					Value: string(certgen.RSA4096),
					Title: "RSA 4096",
					Text:  "where a policy asks for it; handshakes cost ten times as much",
				},
			}
		},
		Get: func(a *Answers) string { return string(a.KeyType) },
		Set: func(a *Answers, s string) error {
			a.KeyType = certgen.KeyType(strings.ToLower(strings.TrimSpace(s)))
			return nil
		},
	}
	q.oneOf(func(in *installation.Installed) string {
		if in.Cert == nil {
			return ""
		}
		return in.Cert.Info.KeyType
	})
	return q
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
		ID: "cert-days", Title: "Life", Kind: Number, Flags: []string{"--cert-days"}, Advanced: true, Asked: Made,
		Ask:  "How many days shall the certificate live?",
		Help: "Under the private CA renewing costs nothing, so short is good: 397 days. A self-signed certificate has to be handed out again each time: 825 days, the most that Apple's clients accept.",
		Get:  func(a *Answers) string { return strconv.Itoa(a.LifetimeDays()) },
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
	q := &Question{
		ID: "subject", Title: "Subject", Kind: Text, Flags: []string{"--subject"}, Advanced: true, Asked: Made,
		Ask:  "What else shall the certificate say about you?",
		Help: "For people who look at it: C=DE,ST=Berlin,L=Berlin,O=Example,OU=Platform, each part optional. Clients do not care.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if _, err := certgen.ParseSubject(a.Subject); err != nil {
				return refused(setup.CodeValue, strings.TrimPrefix(err.Error(), "parse subject: "), "write it as C=DE,O=Example")
			}
			return nil
		},
	}
	return q.text(func(a *Answers) *string { return &a.Subject })
}

func rotateQuestion(id, title, ask, help string, field func(*Answers) *bool) *Question {
	q := &Question{ID: id, Title: title, Ask: ask, Help: help, Flags: []string{"--" + id}, Advanced: true}
	q.Asked = func(a *Answers) bool {
		in := a.Existing
		switch {
		case !Made(a) || in == nil || in.Cert == nil:
			return false
		case id == "new-ca":
			return a.TLS == setup.PrivateCA
		case id == "drop-old-ca":
			return a.TLS == setup.PrivateCA && in.CA != nil && len(in.CA.Chain) > 1
		}
		return true
	}
	q.confirm(field)
	set := q.Set
	q.Set = func(a *Answers, s string) error {
		if err := set(a, s); err != nil {
			return err
		}
		a.RotateCert = a.RotateCert || slices.Contains([]bool{a.NewKey, a.NewCA, a.DropOldCA}, true)
		return nil
	}
	return q
}
