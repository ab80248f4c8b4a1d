package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"packhouse/certgen"
	"packhouse/server/config"
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
		Choices: func(*Machine, *Answers) []Option {
			return []Option{
				{Value: string(PrivateCA), Title: "Private CA", Text: "a CA of this installation signs it; clients trust ca.crt once"},
				{Value: string(SelfSigned), Title: "Self-signed", Text: "a single certificate, to be trusted again after each renewal"},
				{Value: string(Files), Title: "Own files", Text: "certificate and key that you have"},
				{Value: string(LetsEncrypt), Title: "Let's Encrypt", Text: "a CA that everybody trusts signs it, for a name that leads here from the internet"},
				{Value: string(Off), Title: "Off", Text: "plain HTTP, behind a proxy or for trying out on this machine"},
			}
		},
		Get: func(a *Answers) string { return string(a.TLS) },
		Set: func(a *Answers, s string) error {
			a.TLS = TLSMode(strings.TrimSpace(s))
			return nil
		},
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			if a.TLS == PrivateCA && a.existing != nil && a.existing.CA != nil && !a.NewCA {
				return judgeCA(a)
			}
			if ordered(a) {
				return judgeOrder(a)
			}
			return nil
		},
		Probe: func(ctx context.Context, m *Machine, a *Answers) []Finding {
			if ordered(a) {
				return probeOrder(ctx, m, a)
			}
			return nil
		},
	}
	q.oneOf(func(in *Installed) string { return in.tlsMode() })
	return q
}

// judgeCA says whether the CA that is there can sign what is due.
func judgeCA(a *Answers) []Finding {
	if reason := leafReason(a, a.existing); reason == "" {
		return nil
	}
	if outside := outsideCA(a); len(outside) > 0 {
		return outside
	}
	if _, err := signingCA(a, a.existing); err != nil {
		return []Finding{refused(CodeCAKey, "a new certificate is due, and the CA cannot sign it: "+err.Error(), "bring ca.key back, say with --ca-key where it is, or make a new CA with --new-ca")}
	}
	return nil
}

func ownFiles(a *Answers) bool { return a.TLS == Files }

func certQuestion() *Question {
	q := &Question{
		ID: "cert", Title: "Certificate", Kind: Path, Flags: []string{"--tls-cert"}, Asked: ownFiles,
		Ask: "Where is the certificate?",
		Help: "A PEM file with the server's certificate first and every intermediate certificate behind it, in the order in which each signed the one before. The " +
			"server reads it where it lies and notices when it is renewed there. Most clients fail on a chain that is not complete, though browsers may not.",
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			if a.CertFile == "" {
				return []Finding{refused(CodeMissing, "the certificate's file is missing", "give its path")}
			}
			return nil
		},
		Probe: unlessInUse(probeCert),
	}
	return q.text(func(a *Answers) *string { return &a.CertFile })
}

// unlessInUse makes warnings of what is refused about files that the server uses already: what is wrong with them must not keep somebody from
// changing something else.
func unlessInUse(probe func(context.Context, *Machine, *Answers) []Finding) func(context.Context, *Machine, *Answers) []Finding {
	return func(ctx context.Context, m *Machine, a *Answers) []Finding {
		findings := probe(ctx, m, a)
		if in := a.existing; in != nil && in.Config != nil && in.Config.HTTP.TLS.Certificate == a.CertFile && in.Config.HTTP.TLS.Key == a.KeyFile {
			for i := range findings {
				if findings[i].Severity == Refused {
					findings[i].Severity = Warning
				}
			}
		}
		return findings
	}
}

func probeCert(_ context.Context, m *Machine, a *Answers) []Finding {
	data, err := os.ReadFile(a.CertFile)
	if err != nil {
		return []Finding{unreadable(err)}
	}
	chain, err := certgen.ParseChain(data)
	if err != nil {
		return []Finding{fromInput(err)}
	}
	names, err := certgen.ParseNames([]string{canonical(a.Hostname)})
	if err != nil {
		return nil // told at the host name
	}
	var findings []Finding
	for _, p := range certgen.Verify(chain, nil, nil, names, m.now()) {
		f := refused(p.Code, p.What, p.Remedy)
		switch {
		case p.Warning:
			f.Severity = Warning
		case p.Code == certgen.CodeUntrusted: // a private authority, whole: clients have to be told
			f = noted(p.Code, p.What, "clients need its root certificate")
		}
		findings = append(findings, f)
	}
	if !AnyRefused(findings) && certgen.CloseToEnd(chain[0], m.now()) {
		info := certgen.Inspect(chain[0])
		findings = append(findings, warned(CodeCloseEnd, fmt.Sprintf("the certificate has %d days left", info.DaysLeft(m.now())), "renew it soon; the server notices by itself"))
	}
	return findings
}

func keyQuestion() *Question {
	q := &Question{
		ID: "key", Title: "Private key", Kind: Path, Flags: []string{"--tls-key"}, Asked: ownFiles,
		Ask:  "Where is its private key?",
		Help: "A PEM file without a passphrase, because a server starts unattended. Whoever can read it can pretend to be this server, so it must not be readable by all.",
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			if a.KeyFile == "" {
				return []Finding{refused(CodeMissing, "the private key's file is missing", "give its path")}
			}
			return nil
		},
		Probe: unlessInUse(probeKey),
	}
	return q.text(func(a *Answers) *string { return &a.KeyFile })
}

func probeKey(_ context.Context, _ *Machine, a *Answers) []Finding {
	info, err := os.Stat(a.KeyFile)
	if err != nil {
		return []Finding{unreadable(err)}
	}
	if !info.Mode().IsRegular() {
		return []Finding{refused(CodeUnread, a.KeyFile+" is no file that a server could read again at its next start", "give the path of a file")}
	}
	var findings []Finding
	if info.Mode().Perm()&0o004 != 0 {
		findings = append(findings, refused(CodeOpenKey, fmt.Sprintf("%s has mode %04o: everybody on this machine can read the private key", a.KeyFile, info.Mode().Perm()), "chmod 600 "+Shell(a.KeyFile)))
	}
	key, err := os.ReadFile(a.KeyFile)
	if err != nil {
		return append(findings, unreadable(err))
	}
	cert, err := os.ReadFile(a.CertFile)
	if err != nil {
		return findings // told at the certificate
	}
	if _, err := certgen.ParseChain(cert); err != nil {
		return findings
	}
	if _, err := certgen.ParsePair(cert, key); err != nil {
		findings = append(findings, fromInput(err))
	}
	return findings
}

func unreadable(err error) Finding {
	return refused(CodeUnread, "the file cannot be read: "+err.Error(), "check the path, and that this user may read it")
}

// fromInput takes over what certgen says about a file.
func fromInput(err error) Finding {
	if input, ok := errors.AsType[*certgen.InputError](err); ok {
		return refused(input.Code, input.What, input.Remedy)
	}
	return refused(certgen.CodeNotPEM, err.Error(), "give a PEM file")
}

func insecureQuestion() *Question {
	q := &Question{
		ID: "insecure", Title: "Plain HTTP", Flags: []string{"--insecure"},
		Ask: "Really let passwords cross the network as they are?",
		Help: "Without TLS anybody between a client and this server reads user names, passwords and content, and can change them. docker and podman refuse such a " +
			"registry unless told otherwise on every machine. It is right only behind a proxy that speaks TLS, or in a network that you trust entirely.",
		Asked: func(a *Answers) bool { return a.TLS == Off && !config.Local("tcp", a.Addr) },
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			if !a.Insecure {
				return []Finding{refused(CodePlain, "without TLS passwords cross the network as they are, and "+a.Addr+" is open to it",
					"choose a certificate, listen on this machine only (127.0.0.1:5000), or confirm that this is wanted")}
			}
			return nil
		},
	}
	return q.confirm(func(a *Answers) *bool { return &a.Insecure })
}

func keyTypeQuestion() *Question {
	q := &Question{
		ID: "key-type", Title: "Key", Flags: []string{"--key-type"}, Advanced: true, Asked: made,
		Ask:  "Which kind of key shall the certificate have?",
		Help: "ECDSA over P-256 is understood by every client of the last decade and its handshakes are cheap. RSA is for clients older than that.",
		Choices: func(*Machine, *Answers) []Option {
			return []Option{
				{Value: string(certgen.ECDSAP256), Title: "ECDSA P-256", Text: "small and quick"},
				{Value: string(certgen.RSA2048), Title: "RSA 2048", Text: "for old clients"},
				{Value: string(certgen.RSA4096), Title: "RSA 4096", Text: "where a policy asks for it; handshakes cost ten times as much"},
			}
		},
		Get: func(a *Answers) string { return string(a.KeyType) },
		Set: func(a *Answers, s string) error {
			a.KeyType = certgen.KeyType(strings.ToLower(strings.TrimSpace(s)))
			return nil
		},
	}
	q.oneOf(func(in *Installed) string {
		if in.Cert == nil {
			return ""
		}
		return in.Cert.Info.KeyType
	})
	return q
}

// longest is how many days a certificate may live for Apple's clients.
const longest = 825

// certDays is the life of a new certificate.
func (a *Answers) certDays() int {
	switch {
	case a.CertDays != 0:
		return a.CertDays
	case a.TLS == SelfSigned:
		return certgen.DefaultSelfSignedDays
	}
	return certgen.DefaultLeafDays
}

var errNotNumber = errors.New("is not a whole number")

func certDaysQuestion() *Question {
	return &Question{
		ID: "cert-days", Title: "Life", Kind: Number, Flags: []string{"--cert-days"}, Advanced: true, Asked: made,
		Ask:  "How many days shall the certificate live?",
		Help: "Under the private CA renewing costs nothing, so short is good: 397 days. A self-signed certificate has to be handed out again each time: 825 days, the most that Apple's clients accept.",
		Get:  func(a *Answers) string { return strconv.Itoa(a.certDays()) },
		Set: func(a *Answers, s string) error {
			days, err := strconv.Atoi(strings.TrimSpace(s))
			if err != nil {
				return errNotNumber
			}
			if days != a.certDays() {
				a.CertDays = days
			}
			return nil
		},
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			switch days := a.certDays(); {
			case days < 1 || days > 36500:
				return []Finding{refused(CodeValue, fmt.Sprintf("a life of %d days is not between 1 and 36500", days), "397 is a good number")}
			case days > longest:
				return []Finding{warned(CodeLongLife, fmt.Sprintf("Apple's clients refuse certificates that live over %d days", longest), "choose 825 or less")}
			}
			return nil
		},
	}
}

func subjectQuestion() *Question {
	q := &Question{
		ID: "subject", Title: "Subject", Kind: Text, Flags: []string{"--subject"}, Advanced: true, Asked: made,
		Ask:  "What else shall the certificate say about you?",
		Help: "For people who look at it: C=DE,ST=Berlin,L=Berlin,O=Example,OU=Platform, each part optional. Clients do not care.",
		Validate: func(_ context.Context, _ *Machine, a *Answers) []Finding {
			if _, err := certgen.ParseSubject(a.Subject); err != nil {
				return []Finding{refused(CodeValue, strings.TrimPrefix(err.Error(), "parse subject: "), "write it as C=DE,O=Example")}
			}
			return nil
		},
	}
	return q.text(func(a *Answers) *string { return &a.Subject })
}

func rotateQuestion(id, title, ask, help string, field func(*Answers) *bool) *Question {
	q := &Question{ID: id, Title: title, Ask: ask, Help: help, Flags: []string{"--" + id}, Advanced: true}
	q.Asked = func(a *Answers) bool {
		in := a.existing
		switch {
		case !made(a) || in == nil || in.Cert == nil:
			return false
		case id == "new-ca":
			return a.TLS == PrivateCA
		case id == "drop-old-ca":
			return a.TLS == PrivateCA && in.CA != nil && len(in.CA.Chain) > 1
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
