// Package keyfile decrypts encrypted private key files.
package keyfile

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/youmark/pkcs8"
)

// ErrPassword is returned for a password that does not decrypt the key.
var ErrPassword = errors.New("the password does not open the private key")

// Encrypted reports whether a PEM file holds an encrypted private key: PKCS#8 (RFC 5958) or the
// older form with a Proc-Type header (RFC 1421).
func Encrypted(data []byte) bool { return encrypted(data) != nil }

// encrypted returns the first encrypted private key of a PEM file, or nil.
func encrypted(data []byte) *pem.Block {
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return nil
		}
		if b.Type == "ENCRYPTED PRIVATE KEY" || strings.HasSuffix(b.Type, "PRIVATE KEY") && strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED") {
			return b
		}
	}
}

// Decrypt returns the private key of an encrypted PEM file as an unencrypted PKCS#8 PEM file. If
// the password does not match, it returns [ErrPassword]; errors never contain any part of the key
// or the password.
func Decrypt(data, password []byte) ([]byte, error) {
	block := encrypted(data)
	if block == nil {
		return nil, errors.New("the file holds no encrypted private key")
	}
	key, err := decrypt(block, password)
	if err != nil {
		return nil, ErrPassword // the cause is dropped on purpose: it could quote the key
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("the private key is of a kind that cannot serve TLS")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

func decrypt(block *pem.Block, password []byte) (key any, err error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		key, _, err = pkcs8.ParsePrivateKey(block.Bytes, password)
		return key, err
	}
	//nolint:staticcheck // The form is weak, and people have such keys: openssl genrsa -aes256 wrote it for decades.
	der, err := x509.DecryptPEMBlock(block, password)
	if err != nil {
		return nil, err
	}
	return parse(der)
}

// parse decodes a private key in any of the unencrypted forms.
func parse(der []byte) (any, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	switch key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.Join(err, ErrPassword)
}
