package certgen

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var longName = strings.Repeat("a", 30) + "." + strings.Repeat("b", 30) + ".example.com"

func TestNewCA(t *testing.T) {
	ca := mustCA(t)
	c := ca.Leaf()
	if !c.IsCA || !c.BasicConstraintsValid || c.MaxPathLen != 0 || !c.MaxPathLenZero {
		t.Errorf("IsCA %v, path length %d: want a CA of path length 0", c.IsCA, c.MaxPathLen)
	}
	if c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("key usage %b, extended %v", c.KeyUsage, c.ExtKeyUsage)
	}
	if got := c.NotAfter.Sub(c.NotBefore) + time.Second; got != 3650*24*time.Hour {
		t.Errorf("lives %v", got)
	}
	if !c.NotBefore.Equal(today.Add(-Backdate)) {
		t.Errorf("begins %v, now is %v", c.NotBefore, today)
	}
	if len(c.SubjectKeyId) != 20 {
		t.Errorf("subject key identifier %x", c.SubjectKeyId)
	}
	if !strings.HasPrefix(c.Subject.CommonName, "packhouse CA ") {
		t.Errorf("common name %q", c.Subject.CommonName)
	}
	if other := mustCA(t).Leaf().Subject.CommonName; other == c.Subject.CommonName {
		t.Errorf("two CAs are both called %q", other)
	}
	named, err := NewCA(CAOptions{CommonName: strings.Repeat("é", 80), Subject: pkix.Name{Organization: []string{"Example"}}, Days: 10, KeyType: RSA2048})
	if err != nil {
		t.Fatal(err)
	}
	if s := named.Leaf().Subject; s.CommonName != strings.Repeat("é", 64) || s.Organization[0] != "Example" {
		t.Errorf("subject %v", s)
	}
}

func TestNewLeaf(t *testing.T) {
	ca := mustCA(t)
	tests := []struct {
		name  string
		names []string
		cn    string
	}{
		{"all kinds", []string{"registry.example.com", "192.0.2.17", "[2001:db8::17]", "localhost", "xn--mnchen-3ya.example"}, "registry.example.com"},
		{"only addresses", []string{"2001:db8::17", "192.0.2.17"}, "2001:db8::17"},
		{"too long for a common name", []string{longName, "short.example.com"}, ""},
		{"exactly 64", []string{strings.Repeat("a", 52) + ".example.com"}, strings.Repeat("a", 52) + ".example.com"},
	}
	for _, tt := range tests {
		for _, keyType := range []KeyType{ECDSAP256, RSA2048} {
			t.Run(tt.name+"/"+string(keyType), func(t *testing.T) {
				t.Parallel()
				names := mustNames(t, tt.names...)
				p, err := NewLeaf(ca, LeafOptions{Names: names, KeyType: keyType, Now: today})
				if err != nil {
					t.Fatal(err)
				}
				c := p.Leaf()
				if c.Subject.CommonName != tt.cn {
					t.Errorf("common name %q, want %q", c.Subject.CommonName, tt.cn)
				}
				if got := NamesOf(c); !slices.Equal(got.Strings(), names.Strings()) || len(c.IPAddresses) != len(names.IPs) {
					t.Errorf("names %v, want %v", got, names)
				}
				usage := x509.KeyUsageDigitalSignature
				if keyType == RSA2048 {
					usage |= x509.KeyUsageKeyEncipherment
				}
				if c.KeyUsage != usage || !slices.Equal(c.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) || c.IsCA || !c.BasicConstraintsValid {
					t.Errorf("key usage %b, extended %v, CA %v", c.KeyUsage, c.ExtKeyUsage, c.IsCA)
				}
				if !bytes.Equal(c.AuthorityKeyId, ca.Leaf().SubjectKeyId) || len(c.SubjectKeyId) != 20 {
					t.Errorf("key identifiers %x and %x", c.SubjectKeyId, c.AuthorityKeyId)
				}
				if got := c.NotAfter.Sub(c.NotBefore); got != 397*24*time.Hour-time.Second && !c.NotBefore.Equal(ca.Leaf().NotBefore) {
					t.Errorf("lives %v", got)
				}
				if len(p.Chain) != 2 || !p.Chain[1].Equal(ca.Leaf()) {
					t.Errorf("chain of %d", len(p.Chain))
				}
				if got := keyTypeOf(p.Key.Public()); got != string(keyType) {
					t.Errorf("key %s", got)
				}
				if problems := Verify(p.Chain, p.Key.Public(), ca.Chain, names, today); len(problems) != 0 {
					t.Errorf("problems %v", problems)
				}
				read, err := ParsePair(p.CertPEM(), mustKeyPEM(t, p))
				if err != nil || len(read.Chain) != 2 || !publicEqual(read.Key.Public(), p.Key.Public()) {
					t.Errorf("ParsePair of what was written: %v", err)
				}
			})
		}
	}
}

func TestNewSelfSigned(t *testing.T) {
	for _, name := range []string{"registry.example.com", "192.0.2.17", longName} {
		names := mustNames(t, name)
		p, err := NewSelfSigned(LeafOptions{Names: names, Now: today})
		if err != nil {
			t.Fatal(err)
		}
		c := p.Leaf()
		if c.IsCA || !selfSigned(c) || len(p.Chain) != 1 {
			t.Errorf("CA %v, self-signed %v, chain of %d", c.IsCA, selfSigned(c), len(p.Chain))
		}
		if c.Issuer.String() == "" {
			t.Error("the issuer is empty, which RFC 5280 forbids")
		}
		if problems := Verify(p.Chain, p.Key.Public(), Anchors(p.Chain), names, today); len(problems) != 0 {
			t.Errorf("problems %v: 825 days must not be too long", problems)
		}
		if got := c.NotAfter.Sub(c.NotBefore) + time.Second; got != 825*24*time.Hour {
			t.Errorf("lives %v", got)
		}
	}
}

func TestSerialsArePositiveAndLong(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		n, err := newSerial(nil)
		if err != nil {
			t.Fatal(err)
		}
		if n.Sign() <= 0 || n.BitLen() > 128 || n.BitLen() < 64 || seen[n.String()] {
			t.Errorf("serial %v", n)
		}
		seen[n.String()] = true
	}
	for name, err := range map[string]error{
		"dry":   func() error { _, err := NewCA(CAOptions{Rand: iotest.ErrReader(errors.New("dry"))}); return err }(),
		"zeros": func() error { _, err := NewCA(CAOptions{Rand: bytes.NewReader(make([]byte, 16))}); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "serial") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ca, err := NewCA(CAOptions{Rand: bytes.NewReader(bytes.Repeat([]byte{0xff}, 16))})
	if err != nil || Inspect(ca.Leaf()).Serial != strings.TrimSuffix(strings.Repeat("FF:", 16), ":") {
		t.Errorf("serial of all ones: %v", err)
	}
}

func TestLeafStaysWithinItsCA(t *testing.T) {
	ca, err := NewCA(CAOptions{Now: today, Days: 100})
	if err != nil {
		t.Fatal(err)
	}
	for name, now := range map[string]time.Time{"at once": today, "a minute before": today.Add(-time.Minute), "near the end": today.Add(99 * 24 * time.Hour)} {
		p, err := NewLeaf(ca, LeafOptions{Names: mustNames(t, "a.example.com"), Now: now})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c := p.Leaf(); c.NotBefore.Before(ca.Leaf().NotBefore) || !c.NotAfter.Equal(ca.Leaf().NotAfter) {
			t.Errorf("%s: %v to %v, the CA %v to %v", name, c.NotBefore, c.NotAfter, ca.Leaf().NotBefore, ca.Leaf().NotAfter)
		}
	}
}

func TestRenewalKeepsTheKey(t *testing.T) {
	ca := mustCA(t)
	old := mustLeaf(t, ca, "a.example.com")
	renewed, err := NewLeaf(ca, LeafOptions{Names: mustNames(t, "a.example.com", "b.example.com"), Key: old.Key, KeyType: RSA4096, Subject: old.Leaf().Subject, Now: today})
	if err != nil {
		t.Fatal(err)
	}
	if !publicEqual(renewed.Leaf().PublicKey, old.Key.Public()) {
		t.Error("the key changed")
	}
	if Fingerprint(renewed.Leaf()) == Fingerprint(old.Leaf()) || renewed.Leaf().SerialNumber.Cmp(old.Leaf().SerialNumber) == 0 {
		t.Error("it is the same certificate")
	}
	if got := renewed.Leaf().Subject.String(); got != "CN=a.example.com" {
		t.Errorf("subject %q, out of one that was parsed", got)
	}
}

// What a subject was parsed from, or carries besides, must not get past the rules about names.
func TestSubjectCannotNameTheServer(t *testing.T) {
	subject := pkix.Name{
		Organization: []string{"Example"}, CommonName: "other", SerialNumber: "7",
		ExtraNames: []pkix.AttributeTypeAndValue{{Type: []int{2, 5, 4, 3}, Value: "other"}},
	}
	p, err := NewLeaf(mustCA(t), LeafOptions{Names: mustNames(t, "a.example.com"), Subject: subject, Now: today})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Leaf().Subject.String(); got != "CN=a.example.com,O=Example" {
		t.Errorf("subject %q", got)
	}
}

// A rollover hands out both CAs; leaves of either are accepted, and the bundle that is served with the old one behind does not disturb.
func TestRollover(t *testing.T) {
	before, after := mustCA(t), mustCA(t)
	bundle, err := ParseChain(EncodeChain(after.Leaf(), before.Leaf()))
	if err != nil {
		t.Fatal(err)
	}
	for _, ca := range []*Pair{before, after} {
		leaf := mustLeaf(t, ca, "a.example.com")
		if problems := Verify(leaf.Chain, leaf.Key.Public(), bundle, mustNames(t, "a.example.com"), today); len(problems) != 0 {
			t.Errorf("problems %v", problems)
		}
	}
	leaf := mustLeaf(t, after, "a.example.com")
	served := append(slices.Clone(leaf.Chain), before.Leaf())
	if problems := Verify(served, leaf.Key.Public(), after.Chain, mustNames(t, "a.example.com"), today); len(problems) != 0 {
		t.Errorf("problems %v", problems)
	}
	if anchors := Anchors(served); len(anchors) != 2 {
		t.Errorf("%d anchors", len(anchors))
	}
}

func TestNewLeafUnderAnIntermediate(t *testing.T) {
	root := foreign(t, nil, authority("root"))
	between := foreign(t, root, authority("between"))
	leaf := mustLeaf(t, between, "a.example.com", "192.0.2.1")
	if len(leaf.Chain) != 3 {
		t.Fatalf("chain of %d", len(leaf.Chain))
	}
	if problems := Verify(leaf.Chain, leaf.Key.Public(), root.Chain, mustNames(t, "a.example.com", "192.0.2.1"), today); len(problems) != 0 {
		t.Errorf("problems %v", problems)
	}
}

func TestNewLeafRefuses(t *testing.T) {
	ca := mustCA(t)
	names := mustNames(t, "a.example.com")
	other := mustCA(t)
	constrained := foreign(t, nil, func(c *x509.Certificate) {
		authority("constrained")(c)
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.org"}
	})
	tests := []struct {
		name string
		ca   *Pair
		o    LeafOptions
		says string
	}{
		{"no CA", nil, LeafOptions{Names: names}, "no certificate"},
		{"no key", &Pair{Chain: ca.Chain}, LeafOptions{Names: names}, "no key"},
		{"no names", ca, LeafOptions{}, "no name"},
		{"leaf as CA", mustLeaf(t, ca, "b.example.com"), LeafOptions{Names: names}, "may not sign"},
		{"foreign key", &Pair{Chain: ca.Chain, Key: other.Key}, LeafOptions{Names: names}, "does not fit"},
		{"CA ran out", ca, LeafOptions{Names: names, Now: today.AddDate(11, 0, 0)}, "ran out"},
		{"CA not begun", ca, LeafOptions{Names: names, Now: today.AddDate(-1, 0, 0)}, "clock"},
		{"negative life", ca, LeafOptions{Names: names, Days: -1}, "-1 days"},
		{"endless life", ca, LeafOptions{Names: names, Days: 1 << 40}, "days"},
		{"unknown key type", ca, LeafOptions{Names: names, KeyType: "dsa"}, "dsa"},
		{"name outside the CA's constraints", constrained, LeafOptions{Names: names}, "limited to example.org"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewLeaf(tt.ca, tt.o)
			if err == nil || p != nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
}
