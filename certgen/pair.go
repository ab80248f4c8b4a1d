package certgen

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
)

// Pair is a certificate with the certificates above it, and its private key.
type Pair struct {
	Chain []*x509.Certificate // leaf first, each signed by the next
	Key   crypto.Signer       // fits Chain[0]
}

// Leaf is the certificate that the key belongs to.
func (p *Pair) Leaf() *x509.Certificate { return p.Chain[0] }

// CertPEM is the whole chain as PEM, leaf first: the content of tls.crt or ca.crt.
func (p *Pair) CertPEM() []byte { return EncodeChain(p.Chain...) }

// KeyPEM is the private key as PEM in PKCS#8 form (RFC 5208): the content of tls.key or ca.key.
func (p *Pair) KeyPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(p.Key)
	if err != nil {
		// The cause is left out on purpose: nothing about a key belongs into an error.
		return nil, fmt.Errorf("encode private key: a %T has no PKCS#8 form", p.Key)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// TLS is the pair as crypto/tls serves it.
func (p *Pair) TLS() tls.Certificate {
	c := tls.Certificate{PrivateKey: p.Key, Leaf: p.Chain[0]}
	for _, cert := range p.Chain {
		c.Certificate = append(c.Certificate, cert.Raw)
	}
	return c
}

// EncodeChain is PEM of the certificates in the order given. With an old and a new CA it is the bundle handed out during a rollover.
func EncodeChain(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return b.Bytes()
}
