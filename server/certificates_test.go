package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/server/config"
)

// served returns the fingerprint of what a new connection is shown.
func (f *fixture) served() string {
	f.Helper()
	c, err := tls.Dial("tcp", f.server.Addr().String(), &tls.Config{RootCAs: f.roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12})
	if err != nil {
		f.Fatal(err)
	}
	defer c.Close()
	return certgen.Fingerprint(c.ConnectionState().PeerCertificates[0])
}

// TestRotation: a new pair is served without a restart; half of one, or a bad one, leaves the pair before.
func TestRotation(t *testing.T) {
	t.Parallel()
	var ca *certgen.Pair
	f := newFixture(t, func(f *fixture, c *config.Config) {
		withTLS(f, c)
		ca = f.certificate(nil)
	})
	base := f.serve() // the looks at the files are counted: those of the server itself would be among them
	first := f.served()
	if first != f.server.Fingerprint() {
		t.Errorf("served %s, said %s", first, f.server.Fingerprint())
	}
	key, err := os.ReadFile(f.path("tls.key"))
	if err != nil {
		t.Fatal(err)
	}

	f.certificate(ca)
	f.server.certs.Follow()
	second := f.served()
	if second == first || second != f.server.Fingerprint() {
		t.Fatalf("still %s", second)
	}

	newKey, err := os.ReadFile(f.path("tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(){
		"the key of another":  func() { f.write("tls.key", key) },
		"half a file":         func() { f.write("tls.key", newKey[:len(newKey)/2]) },
		"no certificate":      func() { f.write("tls.crt", nil) },
		"no file":             func() { os.Remove(f.path("tls.crt")) },
		"a directory, almost": func() { os.Remove(f.path("tls.key")); os.Mkdir(f.path("tls.key"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			cert, err := os.ReadFile(f.path("tls.crt"))
			if err != nil {
				t.Fatal(err)
			}
			spoil()
			f.server.certs.Follow()
			if err := f.server.certs.Fault(); err != nil {
				t.Errorf("called broken at the first look: %v", err)
			}
			f.server.certs.Follow()
			if got := f.served(); got != second {
				t.Errorf("served %s, want that before", got)
			}
			if f.server.certs.Fault() == nil || len(f.server.Status().Faults) != 1 {
				t.Errorf("not told: %v", f.server.Status().Faults)
			}
			if err := f.server.Reload(t.Context()); err == nil {
				t.Error("a reload takes it")
			}
			os.Remove(f.path("tls.key"))
			f.write("tls.crt", cert)
			f.write("tls.key", newKey)
			f.server.certs.Follow()
			if err := f.server.Reload(t.Context()); err != nil {
				t.Errorf("repaired: %v", err)
			}
			if err := f.server.certs.Fault(); err != nil {
				t.Errorf("repaired, but %v", err)
			}
		})
	}
	if a := f.ask(f.client(), http.MethodGet, base+"/health", "", nil); a.status != 200 {
		t.Errorf("then: %d", a.status)
	}
	if strings.Contains(f.log.String(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}
}

// TestRotationUnderLoad: no request fails while certificates change, for clients that trust the CA only.
func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	var ca *certgen.Pair
	f := newFixture(t, func(f *fixture, c *config.Config) {
		withTLS(f, c)
		ca = f.certificate(nil)
	})
	base := f.run()
	done, failed := make(chan struct{}), make(chan error, 4)
	for range 4 {
		go func() {
			for {
				select {
				case <-done:
					failed <- nil
					return
				default:
				}
				client := f.client()
				answer, err := client.Get(base + "/health")
				if err != nil {
					failed <- err
					return
				}
				answer.Body.Close()
				client.CloseIdleConnections()
			}
		}()
	}
	seen := map[string]bool{}
	for range 10 {
		f.certificate(ca)
		f.server.certs.Follow()
		f.server.certs.Follow()
		seen[f.served()] = true
	}
	close(done)
	for range 4 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 10 {
		t.Errorf("%d certificates were served, want 10", len(seen))
	}
}

// TestWatch: files are looked at without anybody asking.
func TestWatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withTLS)
	f.run()
	first := f.server.Fingerprint()
	f.certificate(nil)
	f.eventually("the new certificate", func() bool { return f.server.Fingerprint() != first })
}

func TestProtocols(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*config.Config)
		client func(*tls.Config)
		proto  string // "": the handshake fails
	}{
		"as it comes":        {func(*config.Config) {}, func(*tls.Config) {}, "HTTP/2.0"},
		"HTTP/2 off":         {func(c *config.Config) { c.HTTP.HTTP2Disabled = true }, func(*tls.Config) {}, "HTTP/1.1"},
		"an old client":      {func(*config.Config) {}, func(t *tls.Config) { t.MaxVersion = tls.VersionTLS12 }, "HTTP/2.0"},
		"a very old client":  {func(*config.Config) {}, func(t *tls.Config) { t.MinVersion, t.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, ""},
		"only the new TLS":   {func(c *config.Config) { c.HTTP.TLS.MinimumTLS = "tls1.3" }, func(t *tls.Config) { t.MaxVersion = tls.VersionTLS12 }, ""},
		"no suite in common": {func(c *config.Config) { c.HTTP.TLS.CipherSuites = []string{"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"} }, func(t *tls.Config) { t.MaxVersion = tls.VersionTLS12 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, withTLS, with(tc.change))
			base, client := f.run(), f.client()
			tc.client(client.Transport.(*http.Transport).TLSClientConfig)
			answer, err := client.Get(base + "/health")
			if err != nil {
				if tc.proto != "" {
					t.Fatal(err)
				}
				return
			}
			answer.Body.Close()
			if answer.Proto != tc.proto {
				t.Errorf("%s, want %q", answer.Proto, tc.proto)
			}
		})
	}
}

// TestClientAuth: the four modes, with a certificate of the named CA, one of another, and none.
func TestClientAuth(t *testing.T) {
	const none, known, foreign = "none", "known", "foreign"
	for mode, allowed := range map[string][]string{
		"request-client-cert":            {none, known, foreign},
		"require-any-client-cert":        {known, foreign},
		"verify-client-cert-if-given":    {none, known},
		"require-and-verify-client-cert": {known},
		"":                               {known},
	} {
		t.Run(mode, func(t *testing.T) {
			shown := map[string]*tls.Certificate{none: nil}
			f := newFixture(t, withTLS, func(f *fixture, c *config.Config) {
				for _, name := range []string{known, foreign} {
					pair := clientCertificate(t)
					shown[name] = pair
					if name == known {
						f.write("clients.crt", certgen.EncodeChain(pair.Leaf))
					}
				}
				c.HTTP.TLS.ClientCAs, c.HTTP.TLS.ClientAuth = []string{f.path("clients.crt")}, mode
			})
			base := f.run()
			for name, pair := range shown {
				client := f.client()
				if pair != nil {
					// Go's client would keep back what the server does not ask for by name of its CA.
					client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
				}
				answer, err := client.Get(base + "/health")
				if err == nil {
					answer.Body.Close()
				}
				want := strings.Contains(fmt.Sprint(allowed), name)
				if (err == nil) != want {
					t.Errorf("certificate %s: %v, want let in %v", name, err, want)
				}
			}
		})
	}
}

// clientCertificate is a certificate that is its own CA.
func clientCertificate(t *testing.T) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: fmt.Sprint("client ", time.Now().UnixNano())},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// TestClientCAsAreFollowed: whom clients are vouched for by changes without a restart too.
func TestClientCAsAreFollowed(t *testing.T) {
	pair := clientCertificate(t)
	f := newFixture(t, withTLS, func(f *fixture, c *config.Config) {
		f.write("clients.crt", certgen.EncodeChain(clientCertificate(t).Leaf))
		c.HTTP.TLS.ClientCAs = []string{f.path("clients.crt")}
	})
	base := f.run()
	get := func() error {
		client := f.client()
		client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
		answer, err := client.Get(base + "/health")
		if err == nil {
			answer.Body.Close()
		}
		return err
	}
	if get() == nil {
		t.Error("let in before")
	}
	f.write("clients.crt", certgen.EncodeChain(pair.Leaf))
	f.server.certs.Follow()
	if err := get(); err != nil {
		t.Errorf("then: %v", err)
	}
}

// TestPlainHTTPOnTLS: who speaks HTTP on the TLS port is told so.
func TestPlainHTTPOnTLS(t *testing.T) {
	f := newFixture(t, withTLS, with(func(c *config.Config) { c.HTTP.Host = "https://registry.example.com:5000" }))
	f.run()
	address := f.server.Addr().String()
	for _, tc := range []struct{ said, status, location, words string }{
		{"GET /v2/?n=1 HTTP/1.1\r\nHost: " + address + "\r\n\r\n", "307", "https://" + address + "/v2/?n=1", "https://"},
		{"HEAD / HTTP/1.0\r\nHost: localhost:5000\r\n\r\n", "307", "https://localhost:5000/", ""},
		{"GET / HTTP/1.1\r\nHost: Registry.example.com.\r\n\r\n", "307", "https://Registry.example.com./", ""},
		{"GET / HTTP/1.1\r\nHost: attacker.example.com\r\n\r\n", "421", "", "a name of its certificate"},
		{"GET / HTTP/1.1\r\nHost: 192.0.2.7\r\n\r\n", "421", "", "a name of its certificate"},
		{"GET / HTTP/1.0\r\n\r\n", "400", "", "this port speaks HTTPS"},
		{"GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n", "400", "", "this port speaks HTTPS"},
		{"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", "400", "", "this port speaks HTTPS"},
		{"POST /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "400", "", "this port speaks HTTPS"},
		{"GET http\r\n\r\n", "400", "", "this port speaks HTTPS"},
		{"\x00\x01\x02\r\n\r\n", "", "", ""},
	} {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, tc.said)
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		all, _ := io.ReadAll(c)
		c.Close()
		got := string(all)
		if tc.status == "" {
			if strings.Contains(got, "HTTP/") {
				t.Errorf("%q is answered %q", tc.said, got)
			}
			continue
		}
		if !strings.HasPrefix(got, "HTTP/1.1 "+tc.status) || !strings.Contains(got, tc.words) {
			t.Errorf("%q is answered %q", tc.said, got)
		}
		if has := strings.Contains(got, "Location: "+tc.location+"\r\n"); has != (tc.location != "") {
			t.Errorf("%q is answered %q, want Location %q", tc.said, got, tc.location)
		}
	}
	if strings.Contains(f.log.String(), "level=WARN") || strings.Contains(f.log.String(), "level=ERROR") {
		t.Errorf("strangers make noise in the log:\n%s", f.log)
	}
}

// TestAnchored verifies that the server knows whether its own files contain the CA that clients need.
func TestAnchored(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withTLS)
	f.serve()
	if !f.server.certs.Anchored("127.0.0.1") {
		t.Error("a chain with its private CA: false, want true")
	}
	if f.server.certs.Anchored("registry.example.com") {
		t.Error("a name that the certificate does not have: true, want false")
	}
	data, err := os.ReadFile(f.path("tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	chain, err := certgen.ParseChain(data)
	if err != nil {
		t.Fatal(err)
	}
	f.write("tls.crt", certgen.EncodeChain(chain[:1]...))
	f.server.certs.Follow()
	if f.server.certs.Anchored("127.0.0.1") {
		t.Error("a chain that ends below its root: true, want false")
	}
}
