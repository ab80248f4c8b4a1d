package certgen

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/finding"
)

func codes(problems []finding.Finding) []string {
	out := []string{}
	for _, p := range problems {
		out = append(out, p.Code)
	}
	return out
}

func TestVerify(t *testing.T) {
	root := foreign(t, nil, authority("root"))
	between := foreign(t, root, authority("between"))
	stranger := foreign(t, nil, authority("stranger"))
	leaf := foreign(t, between, func(*x509.Certificate) {})
	oldRoot := foreign(t, nil, func(c *x509.Certificate) { authority("old root")(c); c.NotAfter = today.Add(24 * time.Hour) })
	of := func(parent *Pair, change func(*x509.Certificate)) *Pair { return foreign(t, parent, change) }
	chain := func(certs ...*Pair) []*x509.Certificate {
		var out []*x509.Certificate
		for _, p := range certs {
			out = append(out, p.Leaf())
		}
		return out
	}
	const day = 24 * time.Hour
	tests := []struct {
		name  string
		chain []*x509.Certificate
		key   crypto.PublicKey
		roots []*x509.Certificate
		names []string
		now   time.Time
		want  []string
		says  string
	}{
		{name: "all well", chain: chain(leaf, between, root), key: leaf.Key.Public()},
		{name: "root left out", chain: chain(leaf, between)},
		{name: "more behind", chain: chain(leaf, between, root, stranger)},
		{name: "intermediate is what clients trust", chain: chain(leaf), roots: chain(between)},
		{name: "nothing", want: []string{CodeMissing}},
		{name: "key of another", chain: chain(leaf, between), key: stranger.Key.Public(), want: []string{CodeKeyMismatch}},
		{name: "key of the second", chain: chain(between, leaf), key: leaf.Key.Public(), want: []string{CodeOrder}, says: "certificate 2"},
		{name: "reversed", chain: chain(root, between, leaf), want: []string{CodeOrder}, says: "begins with a CA"},
		{name: "reversed, with key", chain: chain(root, between, leaf), key: leaf.Key.Public(), want: []string{CodeOrder}, says: "certificate 3"},
		{name: "shuffled", chain: chain(leaf, root, between), want: []string{CodeOrder}, says: "out of order"},
		{name: "stranger between", chain: chain(leaf, stranger, between, root), want: []string{CodeOrder}},
		{name: "intermediate left out", chain: chain(leaf), want: []string{CodeIncomplete}, says: `"between"`},
		{name: "intermediate left out, root there", chain: chain(leaf, root), want: []string{CodeIncomplete}, says: `"between"`},
		{name: "another root trusted", chain: chain(leaf, between, root), roots: chain(stranger), want: []string{CodeUntrusted}, says: `"root"`},
		{name: "no root trusted", chain: chain(leaf, between, root), roots: []*x509.Certificate{}, want: []string{CodeUntrusted}},
		{name: "system roots", chain: chain(leaf, between, root), roots: nil, want: []string{CodeUntrusted}},
		{name: "expired", chain: chain(leaf, between), now: today.Add(91 * day), want: []string{CodeExpired, CodeExpired, CodeExpired}, says: "the certificate ran out"},
		{name: "not yet valid", chain: chain(leaf, between), now: today.Add(-2 * time.Hour), want: []string{CodeNotYetValid, CodeNotYetValid, CodeNotYetValid}, says: "clock"},
		{
			name: "only the issuer expired", want: []string{CodeExpired}, says: `issuer "short"`, now: today.Add(2 * day),
			chain: of(of(root, func(c *x509.Certificate) { authority("short")(c); c.NotAfter = today.Add(day) }), func(*x509.Certificate) {}).Chain,
		},
		{
			name: "never valid as a whole", want: []string{CodeExpired}, says: "ran out", now: today.Add(2 * day),
			chain: of(of(root, func(c *x509.Certificate) { authority("short")(c); c.NotAfter = today.Add(day) }), func(c *x509.Certificate) { c.NotBefore = today.Add(30 * time.Hour) }).Chain,
		},
		{name: "name missing", chain: chain(leaf, between), names: []string{"foreign.example.com", "other.example.com"}, want: []string{CodeName}, says: "other.example.com"},
		{name: "several missing", chain: chain(leaf, between), names: []string{"a", "192.0.2.1"}, want: []string{CodeName, CodeName}},
		{
			name: "address as DNS name", names: []string{"10.0.0.5"}, want: []string{CodeIPAsDNS}, says: "IP SAN",
			chain: of(root, func(c *x509.Certificate) { c.DNSNames = []string{"10.0.0.5"} }).Chain,
		},
		{
			name: "IPv6 as DNS name", names: []string{"2001:db8::1"}, want: []string{CodeIPAsDNS},
			chain: of(root, func(c *x509.Certificate) { c.DNSNames = []string{"2001:db8::1"} }).Chain,
		},
		{
			name: "common name only", names: []string{"foreign.example.com"}, want: []string{CodeNoNames}, says: "common name",
			chain: of(root, func(c *x509.Certificate) { c.DNSNames = nil }).Chain,
		},
		{
			name: "wildcard covers", names: []string{"a.example.com"}, want: []string{},
			chain: of(root, func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }).Chain,
		},
		{
			name: "address covers", names: []string{"::1", "127.0.0.1"}, want: []string{},
			chain: of(root, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv6loopback, net.ParseIP("127.0.0.1")} }).Chain,
		},
		{
			name: "for clients only", want: []string{CodePurpose}, says: "serverAuth",
			chain: of(root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }).Chain,
		},
		{
			name: "signed by a leaf", want: []string{CodeRefused}, says: "not allowed to sign",
			chain: append(chain(of(leaf, func(*x509.Certificate) {})), leaf.Chain...),
		},
		{
			name: "path too long", want: []string{CodeRefused}, says: "too many intermediates",
			chain: of(of(of(root, func(c *x509.Certificate) { authority("limited")(c); c.MaxPathLenZero = true }), authority("below")), func(*x509.Certificate) {}).Chain,
		},
		{
			name: "outside the name constraints", want: []string{CodeRefused}, says: "may not sign",
			chain: of(of(root, func(c *x509.Certificate) { authority("limited")(c); c.PermittedDNSDomains = []string{"example.org"} }), func(*x509.Certificate) {}).Chain,
		},
		{
			name: "trusted root ran out", want: []string{CodeExpired}, says: `issuer "old root"`, now: today.Add(2 * day),
			chain: chain(of(oldRoot, func(*x509.Certificate) {})), roots: chain(stranger, oldRoot),
		},
		{
			name: "lives too long", want: []string{CodeLongLife}, says: "826 days",
			chain: of(root, func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(826*day - time.Second) }).Chain,
		},
		{
			name: "lives just as long as allowed", want: []string{},
			chain: of(root, func(c *x509.Certificate) { c.NotAfter = c.NotBefore.Add(825*day - time.Second) }).Chain,
		},
		{name: "CA as server", chain: chain(of(root, func(c *x509.Certificate) { c.IsCA = true })), want: []string{CodeCAAsServer}, says: "Firefox"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			roots, now := tt.roots, tt.now
			if roots == nil && tt.name != "system roots" {
				roots = chain(root)
			}
			if now.IsZero() {
				now = today
			}
			problems := Verify(tt.chain, tt.key, roots, mustNames(t, tt.names...), now)
			if got := codes(problems); !slices.Equal(got, append([]string{}, tt.want...)) {
				t.Fatalf("problems %v, want %q", problems, tt.want)
			}
			var said []string
			for _, p := range problems {
				said = append(said, p.String())
				if p.What == "" || p.Remedy == "" {
					t.Errorf("%+v lacks words", p)
				}
				if want := p.Code == CodeLongLife || p.Code == CodeCAAsServer; (p.Severity == finding.Warning) != want {
					t.Errorf("%s is a warning: %v", p.Code, (p.Severity == finding.Warning))
				}
			}
			if !strings.Contains(strings.Join(said, "\n"), tt.says) {
				t.Errorf("%q does not say %q", said, tt.says)
			}
		})
	}
}

func TestVerifyWeakKey(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewSelfSigned(LeafOptions{Names: mustNames(t, "a"), Key: key}); err == nil || !strings.Contains(err.Error(), "rsa-1024") {
		t.Errorf("a weak key was reused: %v", err)
	}
	tmpl := mustLeaf(t, mustCA(t), "a").Leaf()
	tmpl.SignatureAlgorithm, tmpl.PublicKey = x509.UnknownSignatureAlgorithm, nil
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	got := codes(Verify([]*x509.Certificate{c}, nil, []*x509.Certificate{c}, mustNames(t, "a"), today))
	if !slices.Contains(got, CodeWeakKey) {
		t.Errorf("codes %q", got)
	}
}

func TestVerifyOfALoopEnds(t *testing.T) {
	// Two CAs that signed each other: walking up must not go round.
	a := foreign(t, nil, authority("a"))
	b := foreign(t, a, authority("b"))
	tmpl := *a.Leaf()
	der, err := x509.CreateCertificate(rand.Reader, &tmpl, b.Leaf(), a.Key.Public(), b.Key)
	if err != nil {
		t.Fatal(err)
	}
	cross, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	leaf := foreign(t, b, func(*x509.Certificate) {})
	served := []*x509.Certificate{leaf.Leaf(), b.Leaf(), cross, b.Leaf()}
	if got := codes(Verify(served, nil, a.Chain, Names{}, today)); len(got) != 0 {
		t.Errorf("codes %q", got)
	}
}

func TestVerifySHA1(t *testing.T) {
	openssl := program(t, "openssl")
	ca := mustCA(t)
	dir := t.TempDir()
	files := map[string][]byte{"ca.crt": ca.CertPEM(), "ca.key": mustKeyPEM(t, ca)}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Go itself refuses to sign with SHA-1.
	cmd := exec.CommandContext(t.Context(), openssl, "req", "-x509", "-sha1", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=a", "-addext", "subjectAltName=DNS:a",
		"-addext", "basicConstraints=critical,CA:FALSE", "-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", "tls.key", "-out", "tls.crt", "-days", "90")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v\n%s", err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	chain, err := ParseChain(append(data, ca.CertPEM()...))
	if err != nil {
		t.Fatal(err)
	}
	problems := Verify(chain, nil, ca.Chain, mustNames(t, "a"), time.Now().Add(time.Minute))
	if len(problems) != 1 || problems[0].Code != CodeRefused || !strings.Contains(problems[0].What, "SHA1") {
		t.Errorf("problems %v", problems)
	}
}
