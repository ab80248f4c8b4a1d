package keyfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/youmark/pkcs8"

	"packhouse/certgen"
)

const password = "correct horse"

// encryptedKeys returns one key in every encrypted form that people have.
func encryptedKeys(t *testing.T) map[string][]byte {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	legacy := func(kind string, der []byte) []byte {
		b, err := x509.EncryptPEMBlock(rand.Reader, kind, der, []byte(password), x509.PEMCipherAES256) //nolint:staticcheck // what people have
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(b)
	}
	pbes2 := func(key any, opts *pkcs8.Opts) []byte {
		der, err := pkcs8.MarshalPrivateKey(key, []byte(password), opts)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
	}
	scrypt := &pkcs8.Opts{Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.ScryptOpts{SaltSize: 16, CostParameter: 1 << 10, BlockSize: 8, ParallelizationParameter: 1}}
	return map[string][]byte{
		"PKCS#1, legacy":        legacy("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)),
		"SEC 1, legacy":         legacy("EC PRIVATE KEY", sec1),
		"PKCS#8, PBKDF2, ECDSA": pbes2(ec, pkcs8.DefaultOpts),
		"PKCS#8, PBKDF2, RSA":   pbes2(rsaKey, pkcs8.DefaultOpts),
		"PKCS#8, scrypt":        pbes2(ec, scrypt),
		"behind bag attributes": append([]byte("Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n"), pbes2(ec, pkcs8.DefaultOpts)...),
	}
}

func TestDecrypt(t *testing.T) {
	for name, data := range encryptedKeys(t) {
		t.Run(name, func(t *testing.T) {
			if !Encrypted(data) {
				t.Fatal("not reported as encrypted")
			}
			plain, err := Decrypt(data, []byte(password))
			if err != nil {
				t.Fatal(err)
			}
			if Encrypted(plain) {
				t.Error("the result is encrypted")
			}
			if err := certgen.CheckKey(plain); err != nil {
				t.Error(err)
			}
			_, err = Decrypt(data, []byte("wrong"))
			if !errors.Is(err, ErrPassword) || strings.Contains(err.Error(), password) {
				t.Errorf("wrong password: %v", err)
			}
		})
	}
}

func TestDecryptOfSomethingElse(t *testing.T) {
	for _, data := range []string{"", "no PEM", "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"} {
		if _, err := Decrypt([]byte(data), []byte(password)); err == nil || Encrypted([]byte(data)) {
			t.Errorf("%q: error %v", data, err)
		}
	}
}

func FuzzDecrypt(f *testing.F) {
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMA==\n-----END RSA PRIVATE KEY-----\n"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = Decrypt(data, []byte(password)) })
}
