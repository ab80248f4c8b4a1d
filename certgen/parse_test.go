package certgen

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// code is the code of an InputError.
func code(err error) string {
	var input *InputError
	if errors.As(err, &input) && input.Remedy != "" {
		return input.Code
	}
	return ""
}

func TestParseChain(t *testing.T) {
	leaf := mustLeaf(t, mustCA(t), "a.example.com")
	good := leaf.CertPEM()
	for name, data := range map[string][]byte{
		"plain":           good,
		"crlf":            bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")),
		"byte order mark": append([]byte("\xef\xbb\xbf"), good...),
		"text around":     append([]byte("subject=a\nissuer=b\n"), append(good, "bye"...)...),
	} {
		chain, err := ParseChain(data)
		if err != nil || len(chain) != 2 || !chain[0].Equal(leaf.Leaf()) {
			t.Errorf("%s: chain of %d, %v", name, len(chain), err)
		}
	}
	var wide []byte
	for _, c := range good {
		wide = append(wide, c, 0)
	}
	key := mustKeyPEM(t, leaf)
	for name, tt := range map[string]struct {
		data []byte
		code string
		says string
	}{
		"empty":       {nil, CodeNotPEM, "empty"},
		"blank":       {[]byte(" \n"), CodeNotPEM, "empty"},
		"text":        {[]byte("hello"), CodeNotPEM, "no BEGIN"},
		"DER":         {leaf.Leaf().Raw, CodeNotPEM, "DER"},
		"UTF-16":      {append([]byte("\xff\xfe"), wide...), CodeNotPEM, "UTF-16"},
		"truncated":   {good[:len(good)-40], CodeNotPEM, "1 of its 2"},
		"one damaged": {bytes.Replace(good, []byte("MII"), []byte("M!I"), 1), CodeNotPEM, "1 of its 2"},
		"flipped":     {block("CERTIFICATE", leaf.Leaf().Raw[1:]), CodeNotPEM, "certificate 1"},
		"key inside":  {append(slices.Clone(good), key...), CodeKeyInCert, "private key"},
		"only a key":  {key, CodeKeyInCert, "private key"},
		"request":     {block("CERTIFICATE REQUEST", []byte("x")), CodeNotCert, "request"},
		"pkcs7":       {block("PKCS7", []byte("x")), CodeNotCert, "PKCS#7"},
		"other":       {block("PUBLIC KEY", []byte("x")), CodeNotCert, "PUBLIC KEY"},
		"huge":        {make([]byte, maxPEM+1), CodeNotPEM, "MiB"},
	} {
		_, err := ParseChain(tt.data)
		if code(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want code %s and %q", name, err, tt.code, tt.says)
		}
	}
}

func TestParsePairKinds(t *testing.T) {
	ec := mustLeaf(t, mustCA(t), "a.example.com")
	rsaPair, err := NewSelfSigned(LeafOptions{Names: mustNames(t, "a.example.com"), KeyType: RSA2048})
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := NewSelfSigned(LeafOptions{Names: mustNames(t, "a.example.com"), Key: edKey})
	if err != nil {
		t.Fatal(err)
	}
	sec1, err := x509.MarshalECPrivateKey(ec.Key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	params := block("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for name, tt := range map[string]struct {
		pair *Pair
		key  []byte
	}{
		"pkcs8 ecdsa":     {ec, mustKeyPEM(t, ec)},
		"pkcs8 rsa":       {rsaPair, mustKeyPEM(t, rsaPair)},
		"pkcs8 ed25519":   {ed, mustKeyPEM(t, ed)},
		"pkcs1":           {rsaPair, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaPair.Key.(*rsa.PrivateKey)))},
		"sec1":            {ec, append(params, block("EC PRIVATE KEY", sec1)...)},
		"byte order mark": {ec, append([]byte("\xef\xbb\xbf"), mustKeyPEM(t, ec)...)},
		"certificate too": {ec, append(ec.CertPEM(), mustKeyPEM(t, ec)...)},
	} {
		got, err := ParsePair(tt.pair.CertPEM(), tt.key)
		if err != nil || !publicEqual(got.Key.Public(), tt.pair.Leaf().PublicKey) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := tls.X509KeyPair(got.CertPEM(), mustKeyPEM(t, got)); err != nil {
			t.Errorf("%s: crypto/tls refuses it: %v", name, err)
		}
	}
}

func TestParsePairRefuses(t *testing.T) {
	ca := mustCA(t)
	p, other := mustLeaf(t, ca, "a.example.com"), mustLeaf(t, ca, "b.example.com")
	key := mustKeyPEM(t, p)
	x, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	xDER, err := x509.MarshalPKCS8PrivateKey(x)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := pem.Decode(key)
	legacy := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: der.Bytes})
	reversed := EncodeChain(p.Chain[1], p.Chain[0])
	for name, tt := range map[string]struct {
		cert, key []byte
		code      string
	}{
		"another key":      {p.CertPEM(), mustKeyPEM(t, other), CodeKeyMismatch},
		"chain reversed":   {reversed, key, CodeOrder},
		"no certificate":   {nil, key, CodeNotPEM},
		"no key":           {p.CertPEM(), nil, CodeNotPEM},
		"cert as key":      {p.CertPEM(), p.CertPEM(), CodeNotKey},
		"two keys":         {p.CertPEM(), append(slices.Clone(key), key...), CodeNotKey},
		"encrypted":        {p.CertPEM(), block("ENCRYPTED PRIVATE KEY", der.Bytes), CodeKeyEncrypted},
		"encrypted legacy": {p.CertPEM(), legacy, CodeKeyEncrypted},
		"ssh":              {p.CertPEM(), block("OPENSSH PRIVATE KEY", der.Bytes), CodeNotKey},
		"exchange key":     {p.CertPEM(), block("PRIVATE KEY", xDER), CodeNotKey},
		"key cut":          {p.CertPEM(), block("PRIVATE KEY", der.Bytes[:len(der.Bytes)-20]), CodeNotKey},
		"key DER":          {p.CertPEM(), der.Bytes, CodeNotPEM},
		"key without end":  {p.CertPEM(), key[:len(key)-30], CodeNotPEM},
	} {
		_, err := ParsePair(tt.cert, tt.key)
		if code(err) != tt.code {
			t.Errorf("%s: %v, want code %s", name, err, tt.code)
		}
		if err != nil && strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(der.Bytes)[20:40]) {
			t.Errorf("%s: %v gives key material away", name, err)
		}
	}
}

// Keys that openssl made, in each of its forms.
func TestParsePairOfOpenSSL(t *testing.T) {
	openssl := program(t, "openssl")
	for name, args := range map[string][]string{
		"rsa":       {"-newkey", "rsa:2048"},
		"ecdsa 384": {"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"},
		"ed25519":   {"-newkey", "ed25519"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cert, key := filepath.Join(dir, "crt"), filepath.Join(dir, "key")
			args := append([]string{"req", "-x509", "-nodes", "-subj", "/CN=registry.example.com", "-days", "1825", "-out", cert, "-keyout", key}, args...)
			if out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput(); err != nil {
				t.Fatalf("openssl: %v\n%s", err, out)
			}
			certPEM, err := os.ReadFile(cert)
			if err != nil {
				t.Fatal(err)
			}
			keyPEM, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			p, err := ParsePair(certPEM, keyPEM)
			if err != nil {
				t.Fatal(err)
			}
			// The recipe of so much documentation: no SAN, five years, and a CA.
			got := codes(Verify(p.Chain, p.Key.Public(), p.Chain, mustNames(t, "registry.example.com"), time.Now().Add(time.Minute)))
			if want := []string{CodeNoNames, CodeLongLife, CodeCAAsServer}; !slices.Equal(got, want) {
				t.Errorf("codes %q, want %q", got, want)
			}
		})
	}
}

func FuzzParsePair(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	p, err := NewSelfSigned(LeafOptions{Names: mustNames(f, "a.example.com", "::1"), Key: key, Now: today})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.CertPEM(), mustKeyPEM(f, p))
	f.Add(p.CertPEM(), p.CertPEM())
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), []byte("-----BEGIN PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		if chain, err := ParseChain(cert); err == nil {
			for _, c := range chain {
				_ = Inspect(c)
				_ = CloseToEnd(c, today)
			}
			_ = Verify(chain, nil, chain, NamesOf(chain[0]), today)
			again, err := ParseChain(EncodeChain(chain...))
			if err != nil || len(again) != len(chain) {
				t.Errorf("a chain of %d read again is %d, %v", len(chain), len(again), err)
			}
		} else if code(err) == "" {
			t.Errorf("error %v has no code or remedy", err)
		}
		got, err := ParsePair(cert, key)
		if err != nil {
			if code(err) == "" {
				t.Errorf("error %v has no code or remedy", err)
			}
			return
		}
		if _, err := ParsePair(got.CertPEM(), mustKeyPEM(t, got)); err != nil {
			t.Errorf("written and read again: %v", err)
		}
	})
}
