package answertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/setup/machine/machinetest"
)

// Issue returns a certificate that parent signed. A nil parent: self-signed.
func Issue(t *testing.T, parent *certgen.Pair, change func(*x509.Certificate)) *certgen.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "leaf"},
		NotBefore: machinetest.Now.Add(-time.Hour), NotAfter: machinetest.Now.AddDate(0, 3, 0),
		BasicConstraintsValid: true,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, DNSNames: []string{"registry.example.com"},
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

// CA makes a template that of a CA.
func CA(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.Subject, c.IsCA, c.KeyUsage, c.ExtKeyUsage, c.DNSNames = pkix.Name{CommonName: name}, true, x509.KeyUsageCertSign,
			nil, nil
	}
}

// ChainFile writes the certificates of pairs.
func ChainFile(t *testing.T, pairs ...*certgen.Pair) string {
	t.Helper()
	var chain []*x509.Certificate
	for _, p := range pairs {
		chain = append(chain, p.Leaf())
	}
	return WriteFile(t, certgen.EncodeChain(chain...), 0o644)
}

// KeyFile writes the key of a pair.
func KeyFile(t *testing.T, p *certgen.Pair) string {
	t.Helper()
	data, err := p.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return WriteFile(t, data, 0o600)
}

// Directory serves an ACME directory. It returns its URL and the file of its CA.
func Directory(t *testing.T, body string, status int) (url, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/dir",
		WriteFile(t, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o644)
}

// DirectoryBody is an ACME directory that requires no external account.
const DirectoryBody = `{"newNonce":"https://ca/n","newAccount":"https://ca/a","newOrder":"https://ca/o"}`
