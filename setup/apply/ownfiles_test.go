package apply

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// issued returns a certificate as a foreign CA issues it. A nil parent signs itself.
func issued(t *testing.T, parent *certgen.Pair, change func(*x509.Certificate)) *certgen.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(
			1,
		), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: machinetest.Now.Add(-time.Hour), NotAfter: machinetest.Now.AddDate(0, 3, 0),
		BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"registry.example.com"},
	}
	change(c)
	issuer, signer := c, any(key)
	if parent != nil {
		issuer, signer = parent.Leaf(), parent.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &certgen.Pair{Chain: []*x509.Certificate{made}, Key: key}
}

// aCA makes a template one of a CA.
func aCA(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.DNSNames = pkix.Name{
			CommonName: name,
		}, true, x509.KeyUsageCertSign, nil, nil
	}
}

// chainFile writes the certificates of pairs, and keyOf the key of one.
func chainFile(t *testing.T, pairs ...*certgen.Pair) string {
	t.Helper()
	var chain []*x509.Certificate
	for _, p := range pairs {
		chain = append(chain, p.Leaf())
	}
	return writeFile(t, certgen.EncodeChain(chain...), 0o644)
}

func keyOf(t *testing.T, p *certgen.Pair) string {
	t.Helper()
	data, err := p.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, data, 0o600)
}

// TestOwnFilesAsTheyExist has chains as cert-manager, step-ca and Vault issue them, and wrong ones.
func TestOwnFilesAsTheyExist(t *testing.T) {
	root := issued(t, nil, aCA("root"))
	between := issued(t, root, aCA("between"))
	leaf := issued(t, between, func(*x509.Certificate) {})
	direct := issued(t, root, func(*x509.Certificate) {})
	other := issued(t, nil, aCA("other root"))
	client := issued(
		t,
		between,
		func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
	)
	limited := issued(
		t,
		root,
		func(c *x509.Certificate) { aCA("limited")(c); c.PermittedDNSDomains = []string{"example.org"} },
	)
	outside := issued(t, limited, func(*x509.Certificate) {})
	worst := issued(t, limited, func(c *x509.Certificate) {
		c.ExtKeyUsage, c.NotAfter = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, machinetest.Now.Add(-time.Minute)
		c.DNSNames = []string{"else.example.com"}
	})
	ca := chainFile(t, root)
	for _, tc := range []struct {
		name     string
		key      *certgen.Pair
		cert, ca string
		refused  []string // codes, in order
		noted    []string
	}{
		{"without the root", leaf, chainFile(t, leaf, between), "", nil, []string{certgen.CodeIncomplete}},
		{"without the root, which is named", leaf, chainFile(t, leaf, between), ca, nil, []string{setup.CodePrivateRoot}},
		{"with the root", leaf, chainFile(t, leaf, between, root), "", nil, []string{certgen.CodeUntrusted}},
		{"alone, below a root that is named", direct, chainFile(t, direct), ca, nil, []string{setup.CodePrivateRoot}},
		{"alone", direct, chainFile(t, direct), "", []string{certgen.CodeIncomplete}, nil},
		{"intermediate missing", leaf, chainFile(t, leaf), ca, []string{certgen.CodeIncomplete}, nil},
		{"another root named", leaf, chainFile(t, leaf, between, root), chainFile(t, other), []string{certgen.CodeUntrusted}, nil},
		{"leaf twice", leaf, chainFile(t, leaf, leaf, between), ca, nil, []string{setup.CodeRepeated, setup.CodePrivateRoot}},
		{"for clients", client, chainFile(t, client, between), "", []string{certgen.CodePurpose}, nil},
		{"for clients, root named", client, chainFile(t, client, between), ca, []string{certgen.CodePurpose}, nil},
		{"outside the limits of its CA", outside, chainFile(t, outside, limited), "", []string{certgen.CodeRefused}, nil},
		{"everything wrong", leaf, chainFile(t, worst, limited), "", []string{certgen.CodeExpired, certgen.CodePurpose, certgen.CodeRefused, certgen.CodeName, certgen.CodeKeyMismatch}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			flags := answer.Values{
				"dir":      {filepath.Join(t.TempDir(), "packhouse")},
				"tls":      {"files"},
				"tls-cert": {tc.cert},
				"tls-key":  {keyOf(t, tc.key)},
			}
			if tc.ca != "" {
				flags["tls-ca"] = []string{tc.ca}
			}
			_, findings := answer.Resolve(
				t.Context(), machinetest.New(t, &machinetest.Host{}), nil, answer.Input{Flags: flags},
			)
			var refusals, notes []string
			for _, f := range findings {
				switch {
				case f.Severity == finding.Refused:
					refusals = append(refusals, f.Code)
				case slices.Contains([]string{"cert", "tls-ca", "key"}, f.Question):
					notes = append(notes, f.Code)
				}
			}
			if !slices.Equal(refusals, tc.refused) {
				t.Errorf("refused %q, want %q, in %v", refusals, tc.refused, findings)
			}
			for _, code := range tc.noted {
				if !slices.Contains(notes, code) {
					t.Errorf("no note %s in %v", code, findings)
				}
			}
		})
	}
}

// TestOwnRootIsHandedOut verifies that the installation keeps the root, hands it out, and removes it.
func TestOwnRootIsHandedOut(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	root := issued(t, nil, aCA("root"))
	between := issued(t, root, aCA("between"))
	leaf := issued(t, between, func(*x509.Certificate) {})
	install(
		t,
		m,
		dir,
		answer.Values{
			"tls":      {"files"},
			"tls-cert": {chainFile(t, leaf, between)},
			"tls-key":  {keyOf(t, leaf)},
			"tls-ca":   {chainFile(t, root)},
		},
	)
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if trust := in.Trust(); len(trust) != 1 || !trust[0].Equal(root.Leaf()) || in.Unrooted(machinetest.Now) != nil {
		t.Errorf("clients trust %v", trust)
	}
	if card, err := os.ReadFile(in.Path(installation.HandoffFile)); err != nil ||
		!strings.Contains(string(card), string(root.CertPEM())) {
		t.Errorf("the handoff lacks the root: %v", err)
	}
	if again := planFor(t, m, dir, nil); again.Pending() {
		t.Errorf("a second run changes %s", describe(again))
	}
	install(t, m, dir, answer.Values{"tls-ca": {""}})
	if in, err = installation.Load(dir); err != nil || in.Trust() != nil ||
		!in.Unrooted(machinetest.Now).Equal(between.Leaf()) {
		t.Errorf("%v: clients trust %v, checks %v", err, in.Trust(), in.Unrooted(machinetest.Now))
	}
}

// TestEncryptedKeyIsDecrypted verifies the copy that the server reads.
func TestEncryptedKeyIsDecrypted(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	cert, _, pair := pemFiles(t, 90, machinetest.Now, "registry.example.com")
	der, err := pkcs8.MarshalPrivateKey(pair.Key, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key := writeFile(t, pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der}), 0o600)
	flags := answer.Values{"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}}
	refusal := func(change answer.Values) string {
		t.Helper()
		given := answer.Values{"dir": {dir}}
		maps.Copy(given, flags)
		maps.Copy(given, change)
		_, findings := answer.Resolve(t.Context(), m, nil, answer.Input{Flags: given})
		var codes []string
		for _, f := range findings {
			if f.Severity == finding.Refused {
				codes = append(codes, f.Flag+" "+f.Code)
			}
			if strings.Contains(f.String(), "secret") {
				t.Errorf("%v holds the password", f)
			}
		}
		return strings.Join(codes, ", ")
	}
	const flag = "--tls-key-password-file "
	if got := refusal(nil); got != flag+certgen.CodeKeyEncrypted {
		t.Errorf("without a password: %s", got)
	}
	if got := refusal(answer.Values{"tls-key-password-file": {writeFile(t, []byte("wrong\n"), 0o600)}}); got != flag+certgen.CodeKeyEncrypted {
		t.Errorf("with a wrong password: %s", got)
	}
	if got := refusal(answer.Values{"tls-key-password-file": {writeFile(t, []byte("secret\n"), 0o644)}}); got != flag+setup.CodeOpenKey {
		t.Errorf("with a password for everyone: %s", got)
	}
	flags["tls-key-password-file"] = []string{writeFile(t, []byte("secret\n"), 0o600)}
	install(t, m, dir, flags)
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if in.Cert.Pair == nil || in.Config.HTTP.TLS.Key != in.Path(installation.OwnKeyFile) {
		t.Fatalf("the server reads %s: %v", in.Config.HTTP.TLS.Key, in.Cert.Problem)
	}
	if info, err := os.Stat(in.Path(installation.OwnKeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if again := planFor(t, m, dir, nil); again.Pending() {
		t.Errorf("a second run changes %s", describe(again))
	}
}

// TestCertificateShorterThanAsked verifies the warning about a CA that ends first.
func TestCertificateShorterThanAsked(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	for _, tc := range []struct {
		name  string
		years int
		flags answer.Values
		code  string
		sev   finding.Severity
	}{
		{"long before its end", 8, answer.Values{"rotate-cert": {"true"}}, "", ""},
		{"in its last year", 9, answer.Values{"rotate-cert": {"true"}, "cert-days": {"397"}}, setup.CodeShortLife, finding.Warning},
		{"with a new CA", 9, answer.Values{"rotate-cert": {"true"}, "cert-days": {"397"}, "new-ca": {"true"}}, "", ""},
		{"after its end", 11, answer.Values{"rotate-cert": {"true"}}, certgen.CodeCAExpired, finding.Refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m.Now = func() time.Time { return machinetest.Now.AddDate(tc.years, 0, 0) }
			in, err := installation.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			_, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: tc.flags})
			i := slices.IndexFunc(findings, func(f finding.Finding) bool {
				return f.Flag == "--new-ca" && f.Severity == tc.sev && f.Code == tc.code &&
					strings.Contains(f.Remedy, "packhouse cert rotate --new-ca")
			})
			if some := slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Flag == "--new-ca" }); (i < 0) != (tc.code == "") ||
				tc.code == "" && some {
				t.Errorf("findings %v", findings)
			}
		})
	}
}
