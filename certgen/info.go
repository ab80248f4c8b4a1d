package certgen

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// renewWithin is how long before its end a certificate of long life is called close to it.
const renewWithin = 30 * 24 * time.Hour

// Info describes a certificate for display. It holds no secrets, and its JSON form is stable.
type Info struct {
	CommonName  string    `json:"commonName,omitempty"`
	Subject     string    `json:"subject"` // as RFC 2253 writes it
	Issuer      string    `json:"issuer"`  // as RFC 2253 writes it
	Names       Names     `json:"names"`
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	KeyType     string    `json:"keyType"` // "ecdsa-p256", "rsa-2048", "ed25519", …
	SelfSigned  bool      `json:"selfSigned"`
	IsCA        bool      `json:"isCA"`
	Fingerprint string    `json:"fingerprint"` // SHA-256, "AB:CD:…"
	Serial      string    `json:"serial"`      // hexadecimal, "0A:1B:…"
}

// Inspect describes a certificate.
func Inspect(c *x509.Certificate) Info {
	return Info{
		CommonName:  c.Subject.CommonName,
		Subject:     c.Subject.String(),
		Issuer:      c.Issuer.String(),
		Names:       NamesOf(c),
		NotBefore:   c.NotBefore.UTC(),
		NotAfter:    c.NotAfter.UTC(),
		KeyType:     keyTypeOf(c.PublicKey),
		SelfSigned:  selfSigned(c),
		IsCA:        c.BasicConstraintsValid && c.IsCA,
		Fingerprint: Fingerprint(c),
		Serial:      colonHex(c.SerialNumber.Bytes()),
	}
}

// DaysLeft is the number of whole days until the end of the certificate, negative once it is past.
func (i Info) DaysLeft(now time.Time) int {
	left := i.NotAfter.Sub(now)
	if left < 0 {
		return int(left/(24*time.Hour)) - 1
	}
	return int(left / (24 * time.Hour))
}

// Fingerprint is the SHA-256 of the certificate as "AB:CD:…", the form in which openssl and browsers show it.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return colonHex(sum[:])
}

// ValidAt reports whether now is within the lifetime of c.
func ValidAt(c *x509.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

// CloseToEnd reports whether a certificate should be renewed: a third of its life is left, and at most 30 days; or it has run out.
func CloseToEnd(c *x509.Certificate, now time.Time) bool {
	return !now.Before(RenewAt(c))
}

// RenewAt is the moment from which on CloseToEnd is true.
func RenewAt(c *x509.Certificate) time.Time {
	return c.NotAfter.Add(-min(c.NotAfter.Sub(c.NotBefore)/3, renewWithin))
}

// selfSigned reports whether a certificate is signed by its own key.
func selfSigned(c *x509.Certificate) bool { return issuedBy(c, c) }

// issuedBy reports whether parent signed c. It checks the signature itself and not by CheckSignatureFrom, which asks whether parent was
// allowed to, and a self-signed server certificate is not. A signature by SHA-1, which Go does not check any more, is taken at the word of
// the key identifiers: clients refuse it, but not because a certificate is missing.
func issuedBy(c, parent *x509.Certificate) bool {
	if !bytes.Equal(c.RawIssuer, parent.RawSubject) {
		return false
	}
	err := parent.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature)
	if _, ok := errors.AsType[x509.InsecureAlgorithmError](err); ok {
		return len(c.AuthorityKeyId) == 0 || bytes.Equal(c.AuthorityKeyId, parent.SubjectKeyId)
	}
	return err == nil
}

func colonHex(b []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", b), " ", ":")
}
