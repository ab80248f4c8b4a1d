package certgen

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os/exec"
	"testing"
	"time"
)

// today is when the tests take place. Real clients know only the real time, so it is that.
var today = time.Now().UTC().Truncate(time.Second)

func mustNames(t testing.TB, names ...string) Names {
	t.Helper()
	n, err := ParseNames(names)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustCA(t testing.TB) *Pair {
	t.Helper()
	ca, err := NewCA(CAOptions{Now: today})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func mustLeaf(t testing.TB, ca *Pair, names ...string) *Pair {
	t.Helper()
	leaf, err := NewLeaf(ca, LeafOptions{Names: mustNames(t, names...), Now: today})
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func mustKeyPEM(t testing.TB, p *Pair) []byte {
	t.Helper()
	data, err := p.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// foreign makes a certificate as somebody else would: change decides about everything. With a nil parent it signs itself.
func foreign(t testing.TB, parent *Pair, change func(*x509.Certificate)) *Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "foreign.example.com"},
		NotBefore: today.Add(-time.Hour), NotAfter: today.Add(90 * 24 * time.Hour), BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"foreign.example.com"},
	}
	change(tmpl)
	issuer, signer, chain := tmpl, crypto.Signer(key), []*x509.Certificate(nil)
	if parent != nil {
		issuer, signer, chain = parent.Leaf(), parent.Key, parent.Chain
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, issuer, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Pair{Chain: append([]*x509.Certificate{c}, chain...), Key: key}
}

// authority makes a template a CA of the given name.
func authority(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.DNSNames = true, x509.KeyUsageCertSign, nil, nil
	}
}

// program finds a real client, or skips the test.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}
