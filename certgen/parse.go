package certgen

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"packhouse/finding"
)

// maxPEM is the most that is read as one PEM input. The bundle of all public CAs is a tenth of it.
const maxPEM = 4 << 20

// InputError describes the fault of a certificate or key file in one sentence. It never contains any of the content.
type InputError struct {
	finding.Finding
}

// Error is what is wrong, with the remedy.
func (e *InputError) Error() string { return e.What + ": " + e.Remedy }

func inputError(code, what, remedy string) error {
	return &InputError{finding.Finding{Code: code, Severity: finding.Refused, What: what, Remedy: remedy}}
}

// ParseChain decodes the certificates of a PEM file in their order. It ignores text between them,
// such as bag attributes, and drops a certificate that repeats an earlier one: CAs issue bundles in
// which the server's certificate occurs twice. A damaged certificate is an error, although
// encoding/pem skips it. A private key is an error too, because this file is handed out. Errors are
// of type *InputError.
func ParseChain(data []byte) ([]*x509.Certificate, error) {
	blocks, err := decodePEM(data, "certificate")
	if err != nil {
		return nil, err
	}
	var chain []*x509.Certificate
	for i, b := range blocks {
		switch {
		case b.Type == "CERTIFICATE":
			c, err := x509.ParseCertificate(b.Bytes)
			if err != nil {
				return nil, inputError(CodeNotPEM, fmt.Sprintf("certificate %d cannot be read (%v)", len(chain)+1, err), "copy the file again, or ask its issuer")
			}
			if !slices.ContainsFunc(chain, c.Equal) {
				chain = append(chain, c)
			}
		case strings.HasSuffix(b.Type, "PRIVATE KEY"):
			return nil, inputError(CodeKeyInCert, "the certificate file holds a private key", "keep the key in a file of its own, this one is handed out")
		case b.Type == "CERTIFICATE REQUEST" || b.Type == "NEW CERTIFICATE REQUEST":
			return nil, inputError(CodeNotCert, "the file holds a request for a certificate, not a certificate", "give the file that the certificate authority sent back")
		case b.Type == "PKCS7":
			return nil, inputError(CodeNotCert, "the file holds a PKCS#7 bundle", "convert it: openssl pkcs7 -print_certs")
		default:
			return nil, inputError(CodeNotCert, fmt.Sprintf("block %d of the file is %+q, not a certificate", i+1, cut(b.Type, 40)), "give the certificate chain in PEM form")
		}
	}
	return chain, nil
}

// Repeated returns how many certificates of a PEM file repeat an earlier one, or 0 if the file cannot
// be parsed. [ParseChain] drops them.
func Repeated(data []byte) int {
	chain, err := ParseChain(data)
	if err != nil {
		return 0
	}
	return countBegins(bytes.TrimPrefix(data, []byte(byteOrderMark))) - len(chain)
}

// ParsePair reads a certificate chain and its private key (PKCS#8, PKCS#1 or SEC 1, without a passphrase) and holds one against the
// other: the key must fit the first certificate. Errors are of type *InputError and never hold key material. Whether clients will accept the
// chain is for Verify to say.
func ParsePair(certPEM, keyPEM []byte) (*Pair, error) {
	chain, err := ParseChain(certPEM)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, err
	}
	if problem := checkKey(chain, key.Public()); problem != nil {
		return nil, &InputError{*problem}
	}
	return &Pair{Chain: chain, Key: key}, nil
}

// CheckKey returns an *InputError if data is not a private key that a server can use.
func CheckKey(data []byte) error {
	_, err := parseKey(data)
	return err
}

func parseKey(data []byte) (crypto.Signer, error) {
	blocks, err := decodePEM(data, "key")
	if err != nil {
		return nil, err
	}
	var found *pem.Block
	for _, b := range blocks {
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue // "EC PARAMETERS", or the certificate kept beside its key
		}
		if found != nil {
			return nil, inputError(CodeNotKey, "the key file holds more than one private key", "keep only the key that belongs to the certificate")
		}
		found = b
	}
	if found == nil {
		return nil, inputError(CodeNotKey, "the key file holds no private key", "give the file that begins with BEGIN PRIVATE KEY")
	}
	if found.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(found.Headers["Proc-Type"], "ENCRYPTED") {
		return nil, inputError(CodeKeyEncrypted, "the private key is protected by a passphrase", "packhouse setup --tls files --tls-key-password-file FILE decrypts it; so does openssl pkey -in OLD -out NEW, with mode 0600 for NEW")
	}
	if found.Type == "OPENSSH PRIVATE KEY" {
		return nil, inputError(CodeNotKey, "the key file holds an OpenSSH key", "give the private key that belongs to the certificate")
	}
	// The causes are dropped on purpose: nothing about a key belongs into an error.
	if k, err := x509.ParsePKCS8PrivateKey(found.Bytes); err == nil {
		if signer, ok := k.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, inputError(CodeNotKey, "the private key is of a kind that cannot serve TLS", "make an ECDSA or RSA key")
	}
	if k, err := x509.ParsePKCS1PrivateKey(found.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(found.Bytes); err == nil {
		return k, nil
	}
	return nil, inputError(CodeNotKey, "the private key is damaged or of an unknown form", "PKCS#8, PKCS#1 and SEC 1 are read; copy the file again")
}

// decodePEM returns every block of data, and says why there is none or why one was lost.
func decodePEM(data []byte, what string) ([]*pem.Block, error) {
	if len(data) > maxPEM {
		return nil, inputError(CodeNotPEM, fmt.Sprintf("the %s file is over %d MiB", what, maxPEM>>20), "give the right file")
	}
	data = bytes.TrimPrefix(data, []byte(byteOrderMark)) // encoding/pem would lose the first block behind a byte order mark
	want := countBegins(data)
	var blocks []*pem.Block
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		blocks = append(blocks, b)
	}
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return nil, inputError(CodeNotPEM, fmt.Sprintf("the %s file is empty", what), "give a PEM file")
	case len(blocks) < want:
		return nil, inputError(CodeNotPEM, fmt.Sprintf("the %s file is damaged: %d of its %d PEM blocks can be read", what, len(blocks), want), "copy the file again, whole and with its line breaks")
	case len(blocks) > 0:
		return blocks, nil
	case bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, inputError(CodeNotPEM, fmt.Sprintf("the %s file is in UTF-16", what), "save it as plain text (UTF-8)")
	case data[0] == 0x30:
		return nil, inputError(CodeNotPEM, fmt.Sprintf("the %s file is not PEM; it looks like DER or PKCS#12", what), "convert it to PEM with openssl x509, openssl pkey or openssl pkcs12")
	}
	return nil, inputError(CodeNotPEM, fmt.Sprintf("the %s file is not PEM: it has no BEGIN line", what), "give a PEM file")
}

// byteOrderMark is what some editors write before a text in UTF-8.
const byteOrderMark = "\xef\xbb\xbf"

// countBegins counts the lines that open a block.
func countBegins(data []byte) int {
	n := bytes.Count(data, []byte("\n-----BEGIN "))
	if bytes.HasPrefix(data, []byte("-----BEGIN ")) {
		n++
	}
	return n
}
