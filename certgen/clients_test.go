package certgen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// installed is what setup leaves in a directory: tls.crt, and what clients are given to trust.
type installed struct {
	pair       *Pair
	tls, trust string
}

func install(t *testing.T, keyType KeyType, private bool, names ...string) installed {
	t.Helper()
	o := LeafOptions{Names: mustNames(t, names...), KeyType: keyType}
	dir := t.TempDir()
	in := installed{tls: filepath.Join(dir, "tls.crt"), trust: filepath.Join(dir, "ca.crt")}
	var err error
	trust := []byte(nil)
	if private {
		ca, caErr := NewCA(CAOptions{KeyType: keyType})
		if caErr != nil {
			t.Fatal(caErr)
		}
		in.pair, err = NewLeaf(ca, o)
		trust = ca.CertPEM()
	} else if in.pair, err = NewSelfSigned(o); err == nil {
		trust = in.pair.CertPEM()
	}
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{in.tls: in.pair.CertPEM(), in.trust: trust} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

func run(t *testing.T, path string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

// kinds runs a test for both ways of being trusted and both families of keys.
func kinds(t *testing.T, test func(t *testing.T, in installed)) {
	for _, private := range []bool{true, false} {
		for _, keyType := range []KeyType{ECDSAP256, RSA2048} {
			name := "self-signed/" + string(keyType)
			if private {
				name = "private-ca/" + string(keyType)
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, install(t, keyType, private, "registry.example.com", "localhost", "127.0.0.1", "::1", "2001:db8::17"))
			})
		}
	}
}

// A host name too long for a common name leaves the subject empty under a CA, which is the rarer form.
func TestClientsAcceptALongName(t *testing.T) {
	openssl, curl := program(t, "openssl"), program(t, "curl")
	for _, private := range []bool{true, false} {
		in := install(t, ECDSAP256, private, longName)
		if out, err := run(t, openssl, "verify", "-no-CApath", "-no-CAstore", "-CAfile", in.trust, "-x509_strict", "-verify_hostname", longName, in.tls); err != nil {
			t.Errorf("private %v: openssl: %v\n%s", private, err, out)
		}
		port := serve(t, in.pair)
		out, err := run(t, curl, "-sS", "--noproxy", "*", "--max-time", "20", "--cacert", in.trust, "--resolve", longName+":"+port+":127.0.0.1", "https://"+longName+":"+port+"/")
		if err != nil || out != "fine" {
			t.Errorf("private %v: curl: %v\n%s", private, err, out)
		}
	}
}

func TestOpenSSLAccepts(t *testing.T) {
	openssl := program(t, "openssl")
	kinds(t, func(t *testing.T, in installed) {
		for _, check := range [][]string{
			{"-verify_hostname", "registry.example.com"},
			{"-verify_ip", "127.0.0.1"},
			{"-verify_ip", "2001:db8::17"},
			{"-x509_strict"},
			{"-auth_level", "2"},
		} {
			args := append([]string{"verify", "-no-CApath", "-no-CAstore", "-CAfile", in.trust, "-purpose", "sslserver"}, check...)
			if out, err := run(t, openssl, append(args, in.tls)...); err != nil {
				t.Errorf("openssl %s: %v\n%s", strings.Join(check, " "), err, out)
			}
		}
		if out, err := run(t, openssl, "verify", "-no-CApath", "-no-CAstore", "-CAfile", in.trust, "-verify_hostname", "other.example.com", in.tls); err == nil {
			t.Errorf("openssl accepts another name: %s", out)
		}
		out, err := run(t, openssl, "x509", "-in", in.tls, "-noout", "-ext", "subjectAltName", "-fingerprint", "-sha256", "-serial")
		if err != nil {
			t.Fatalf("openssl: %v\n%s", err, out)
		}
		for _, want := range []string{
			"DNS:registry.example.com, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:2001:DB8:0:0:0:0:0:17",
			Fingerprint(in.pair.Leaf()),
		} {
			if !strings.Contains(out, want) {
				t.Errorf("openssl shows\n%s\nwithout %s", out, want)
			}
		}
		for _, check := range [][]string{{"-checkhost", "registry.example.com"}, {"-checkip", "127.0.0.1"}, {"-checkip", "2001:db8::17"}} {
			out, err := run(t, openssl, append([]string{"x509", "-in", in.tls, "-noout"}, check...)...)
			if err != nil || !strings.Contains(out, "does match") {
				t.Errorf("openssl %v: %v\n%s", check, err, out)
			}
		}
	})
}

// serve answers "fine" over TLS on a free port of 127.0.0.1, and returns the port.
func serve(t *testing.T, p *Pair) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("fine")) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{p.TLS()}, MinVersion: tls.VersionTLS12}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that must fail are expected
	server.StartTLS()
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestCurlAccepts(t *testing.T) {
	curl := program(t, "curl")
	kinds(t, func(t *testing.T, in installed) {
		port := serve(t, in.pair)
		get := func(trust, host string) (string, error) {
			return run(t, curl, "-sS", "--noproxy", "*", "--max-time", "20", "--cacert", trust, "--resolve", host+":"+port+":127.0.0.1", "https://"+host+":"+port+"/")
		}
		for _, trust := range []string{in.tls, in.trust} {
			for _, host := range []string{"registry.example.com", "localhost", "127.0.0.1"} {
				if out, err := get(trust, host); err != nil || out != "fine" {
					t.Errorf("curl --cacert %s https://%s: %v\n%s", filepath.Base(trust), host, err, out)
				}
			}
		}
		if out, err := get(in.trust, "other.example.com"); err == nil {
			t.Errorf("curl accepts another name: %s", out)
		}
		stranger := install(t, ECDSAP256, true, "registry.example.com")
		if out, err := get(stranger.trust, "registry.example.com"); err == nil {
			t.Errorf("curl accepts another CA: %s", out)
		}
	})
}

func TestGoAccepts(t *testing.T) {
	kinds(t, func(t *testing.T, in installed) {
		port := serve(t, in.pair)
		for _, path := range []string{in.tls, in.trust} {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(data) {
				t.Fatal("no certificate in the file")
			}
			for _, name := range []string{"registry.example.com", "127.0.0.1", "::1", "other.example.com"} {
				dialer := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS12}}
				conn, err := dialer.DialContext(context.Background(), "tcp", "127.0.0.1:"+port)
				if (err == nil) != (name != "other.example.com") {
					t.Errorf("%s with only %s trusted: %v", name, filepath.Base(path), err)
				}
				if err == nil {
					_ = conn.Close()
				}
			}
		}
	})
}
