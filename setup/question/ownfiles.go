package question

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/keyfile"
	"packhouse/setup/machine"
	"packhouse/spelling"
	"packhouse/trust"
)

func ownFiles(a *Answers) bool { return a.TLS == setup.Files }

func certQuestion() *Question {
	return &Question{
		ID: "cert", Step: "tls", Title: "Certificate", Kind: Path, Asked: ownFiles,
		Belongs: "--tls files",
		Flags:   []Flag{textFlag("tls-cert", "FILE", "certificate chain to serve, with --tls files")},
		Ask:     "Where is the certificate?",
		Help: "A PEM file with the server's certificate, followed by the intermediate certificates, each after " +
			"the certificate that it signed. The server reads the file where it is and notices renewals. Most " +
			"clients refuse an incomplete chain, although browsers may accept it.",
		Missing: "the certificate's file is missing", Give: "give its path",
		Probe:  unlessInUse(probeCert),
		Answer: func(a *Answers) *string { return &a.CertFile },
	}
}

// unlessInUse turns refusals into warnings if the server already uses the files, so that they do
// not block other changes.
func unlessInUse(probe Check) Check {
	return func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding {
		findings := probe(ctx, m, a)
		if in := a.Existing; in != nil && in.Config != nil && in.Config.HTTP.TLS.Certificate == a.CertFile &&
			in.Config.HTTP.TLS.Key == a.KeyFile {
			return onlyWarned(findings)
		}
		return findings
	}
}

// probeCert reports everything that is wrong with the certificate except a missing root, which
// [probeTLSCA] reports.
func probeCert(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	data, err := a.readServed(a.CertFile)
	if err != nil {
		return []finding.Finding{unreadable(err)}
	}
	chain, err := certgen.ParseChain(data)
	if err != nil {
		return []finding.Finding{fromInput(err)}
	}
	names, err := certgen.ParseNames([]string{machine.Canonical(a.Hostname)})
	if err != nil {
		return nil // the host name question reports it
	}
	var findings []finding.Finding
	for _, p := range certgen.Verify(chain, nil, a.roots(chain, m.Time()), names, m.Time()) {
		f := setup.Refuse(p.Code, p.What, p.Remedy)
		switch {
		case p.Code == certgen.CodeIncomplete, p.Code == certgen.CodeUntrusted && a.TLSCA != "":
			continue
		case p.Severity == finding.Warning:
			f.Severity = finding.Warning
		case p.Code == certgen.CodeUntrusted: // a complete chain of a private CA
			f = setup.Remark(p.Code, p.What, "clients need its root certificate")
		}
		findings = append(findings, f)
	}
	if !finding.AnyRefused(findings) && certgen.CloseToEnd(chain[0], m.Time()) {
		info := certgen.Inspect(chain[0])
		days := spelling.Count(info.DaysLeft(m.Time()), "day")
		findings = append(findings, setup.Warn(setup.CodeCloseEnd, fmt.Sprintf("the certificate has %s left", days),
			"renew it soon; the server loads the new files automatically"))
	}
	if n := certgen.Repeated(data); n > 0 {
		findings = append(findings,
			setup.Remark(setup.CodeRepeated, fmt.Sprintf("the file repeats certificates: %d of them are superfluous", n),
				"the server leaves repetitions out of what it serves"))
	}
	return finding.BySeverity(findings)
}

// roots returns the certificates to verify a chain against: nil, for those of the system, if they
// verify the chain, otherwise those of --tls-ca.
func (a *Answers) roots(chain []*x509.Certificate, now time.Time) []*x509.Certificate {
	if a.TLSCA == "" || installation.TrustedBySystem(chain, now) {
		return nil
	}
	roots, _ := a.ReadChain(a.TLSCA) // the --tls-ca question reports the error
	return roots
}

// ReadChain returns the certificates in a file that [Answers.readServed] reads.
func (a *Answers) ReadChain(path string) ([]*x509.Certificate, error) {
	data, err := a.readServed(path)
	if err != nil {
		return nil, err
	}
	return certgen.ParseChain(data)
}

// lacksRoot reports whether the chain of the answers ends below a root that neither the file nor
// the system has.
func lacksRoot(a *Answers, now time.Time) bool {
	chain, err := a.ReadChain(a.CertFile)
	return err == nil && len(certgen.Anchors(chain)) == 0 && !installation.TrustedBySystem(chain, now)
}

func tlsCAQuestion() *Question {
	return &Question{
		ID: "tls-ca", Step: "tls", Title: "Root of the CA", Kind: Path,
		Belongs: "--tls files",
		Flags: []Flag{textFlag("tls-ca", "FILE",
			"root certificate of the CA that issued --tls-cert, if that file does not contain it")},
		Asked: func(a *Answers) bool { return ownFiles(a) && (a.TLSCA != "" || lacksRoot(a, time.Now())) },
		Ask:   "Which root certificate do clients trust?", Empty: "not known here",
		Help: "A PEM file with the root of the CA that issued the certificate. cert-manager, step-ca and Vault " +
			"issue a chain without its root and write the root to a separate file. Setup verifies the chain " +
			"against it, copies it into the installation and gives it to clients.",
		Certificates: true,
		Probe:        unlessInUse(probeTLSCA),
		Answer:       func(a *Answers) *string { return &a.TLSCA },
	}
}

// probeTLSCA reports whether the chain ends at a root that clients can trust.
func probeTLSCA(_ context.Context, m *machine.Machine, a *Answers) []finding.Finding {
	chain, err := a.ReadChain(a.CertFile)
	if err != nil {
		return nil // the certificate question reports it
	}
	for _, p := range certgen.Verify(chain, nil, a.roots(chain, m.Time()), certgen.Names{}, m.Time()) {
		switch {
		case p.Code == certgen.CodeIncomplete && a.TLSCA == "" && len(chain) > 1:
			return []finding.Finding{setup.Remark(p.Code,
				fmt.Sprintf("the root of the chain, %q, is not in the file and this machine does not trust it",
					chain[len(chain)-1].Issuer.CommonName), "").
				WithRemedy(finding.Textf("clients need that root: %s verifies the chain against it and hands it out",
					finding.Ref{Text: "--tls-ca FILE", Title: ByFlag("--tls-ca").Title}))}
		case p.Code == certgen.CodeIncomplete:
			return refused(p.Code, p.What, p.Remedy)
		case p.Code == certgen.CodeUntrusted && a.TLSCA != "":
			return refused(p.Code, fmt.Sprintf("the chain ends at another root than those of %s: %s", a.TLSCA, p.What),
				"name the root of the CA that issued the certificate")
		}
	}
	if a.TLSCA != "" && !installation.TrustedBySystem(chain, m.Time()) {
		return noted(setup.CodePrivateRoot, "the root of the certificate is a private CA",
			"clients need it: setup hands out a copy in "+installation.OwnCAFile)
	}
	return nil
}

func keyQuestion() *Question {
	return &Question{
		ID: "key", Step: "tls", Title: "Private key", Kind: Path, Asked: ownFiles,
		Belongs: "--tls files",
		Flags:   []Flag{textFlag("tls-key", "FILE", "private key of --tls-cert")},
		Ask:     "Where is its private key?",
		Help: "A PEM file: PKCS#8, PKCS#1 or SEC 1. Anyone who can read it can impersonate this server, so other " +
			"users must not be able to read it. If it is encrypted, setup asks for its password and stores a " +
			"decrypted copy, because servers start unattended.",
		Missing: "the private key's file is missing", Give: "give its path",
		Probe:  unlessInUse(probeKey),
		Answer: func(a *Answers) *string { return &a.KeyFile },
	}
}

func probeKey(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
	findings, regular := probeSecretFile(a.KeyFile, "the private key")
	if !regular {
		return findings
	}
	key, err := a.readServed(a.KeyFile)
	if err != nil {
		return append(findings, unreadable(err))
	}
	if keyfile.Encrypted(key) {
		if key, err = a.DecryptedKey(); err != nil {
			return findings // the password question reports it
		}
	}
	cert, err := a.readServed(a.CertFile)
	if err == nil {
		_, err = certgen.ParseChain(cert)
	}
	if err != nil { // the certificate question reports it; the key is checked by itself
		err = certgen.CheckKey(key)
	} else {
		_, err = certgen.ParsePair(cert, key)
	}
	if err != nil {
		findings = append(findings, fromInput(err))
	}
	return findings
}

// probeSecretFile reports a secret file that is missing or world-readable. regular is false if the
// file cannot be used at all.
func probeSecretFile(path, what string) (findings []finding.Finding, regular bool) {
	info, err := os.Stat(path)
	if err != nil {
		return []finding.Finding{unreadable(err)}, false
	}
	if info.IsDir() {
		return refused(setup.CodeUnread, path+" is a directory", "give the path of a file"), false
	}
	if !info.Mode().IsRegular() {
		return refused(setup.CodeUnread, path+" is not a regular file", "give the path of a file"), false
	}
	if info.Mode().Perm()&0o004 != 0 {
		findings = append(findings, setup.Refuse(setup.CodeOpenKey,
			fmt.Sprintf("%s has mode %04o: everyone on this machine can read %s", path, info.Mode().Perm(), what),
			"chmod 600 "+setup.Shell(path)))
	}
	return findings, true
}

func keyPasswordQuestion() *Question {
	return &Question{
		ID: "key-password", Step: "tls", Title: "Key password", Kind: Path,
		Belongs: "--tls files with an encrypted key",
		Flags: []Flag{textFlag("tls-key-password-file", "FILE",
			"file with the password of an encrypted --tls-key; setup stores a decrypted copy of the key, mode 0600")},
		Asked: func(a *Answers) bool { return ownFiles(a) && a.keyEncrypted() },
		Ask:   "Which file holds the password of the private key?",
		Help: "A file with one line. Setup decrypts the key with it and writes the key into the installation, " +
			"where only the server can read it, because servers start unattended. Setup does not store the " +
			"password.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if a.KeyPasswordFile == "" {
				return refused(certgen.CodeKeyEncrypted, "the private key is encrypted",
					"name the file with its password, or decrypt the key: openssl pkey -in KEY -out PLAIN")
			}
			return nil
		},
		Probe: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			findings, regular := probeSecretFile(a.KeyPasswordFile, "the password of the private key")
			if !regular {
				return findings
			}
			if _, err := a.DecryptedKey(); errors.Is(err, keyfile.ErrPassword) {
				findings = append(findings,
					setup.Refuse(certgen.CodeKeyEncrypted, err.Error(), "the file holds the password alone, in one line"))
			} else if err != nil {
				findings = append(findings, unreadable(err))
			}
			return findings
		},
		Answer: func(a *Answers) *string { return &a.KeyPasswordFile },
	}
}

// keyEncrypted reports whether the private key of the answers is encrypted. A file that cannot be
// read is not.
func (a *Answers) keyEncrypted() bool {
	data, err := a.readServed(a.KeyFile)
	return err == nil && keyfile.Encrypted(data)
}

// DecryptedKey returns the decrypted private key of the answers as PEM.
func (a *Answers) DecryptedKey() ([]byte, error) {
	data, err := a.readServed(a.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read private key: %w", err)
	}
	password, err := readGiven(a.KeyPasswordFile)
	if err != nil {
		return nil, fmt.Errorf("read password of the private key: %w", err)
	}
	return keyfile.Decrypt(data, []byte(strings.TrimRight(string(password), "\r\n")))
}

func unreadable(err error) finding.Finding {
	if fault := trust.Unsafe(err); fault != nil {
		return setup.Refuse(installation.CodeUnsafe, fault.Error(), fault.Fix)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return setup.Refuse(setup.CodeUnread, "the file cannot be read: "+err.Error(), "check the path")
	}
	return setup.Refuse(setup.CodeUnread, "the file cannot be read: "+err.Error(), setup.FixUnread(err))
}

// fromInput converts an error of certgen about a file to a finding.
func fromInput(err error) finding.Finding {
	if input, ok := errors.AsType[*certgen.InputError](err); ok {
		return setup.Refuse(input.Code, input.What, input.Remedy)
	}
	return setup.Refuse(certgen.CodeNotPEM, err.Error(), "give a PEM file")
}
