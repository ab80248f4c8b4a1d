package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/acme"
)

const token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA" // the one of RFC 8555

// put puts an answer up, with an account of its own.
func put(t *testing.T, m *Manager, kind string) answer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.answers.put(t.Context(), &acme.Client{Key: key}, host, &acme.Challenge{Type: kind, Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestHTTPHandler: answers to challenges, a redirect for the names that certificates are ordered for, and nothing else. Another server with
// the same cache answers too.
func TestHTTPHandler(t *testing.T) {
	cache := Directory(t.TempDir())
	m, other := newManager(t, newFakeCA(t), Options{Cache: cache}), newManager(t, newFakeCA(t), Options{Cache: cache})
	ask := func(m *Manager, method, host, path, base string) (int, string, string) {
		t.Helper()
		r := httptest.NewRequest(method, path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		m.HTTPHandler(base).ServeHTTP(w, r)
		body, err := io.ReadAll(w.Result().Body)
		if err != nil {
			t.Fatal(err)
		}
		return w.Code, w.Header().Get("Location"), string(body)
	}
	a := put(t, m, http01)
	for _, m := range []*Manager{m, other} {
		for _, name := range []string{host, host + ":5002", "REGISTRY.example.com."} {
			if status, _, body := ask(m, http.MethodGet, name, challengePath+token, ""); status != http.StatusOK || !strings.HasPrefix(body, token+".") {
				t.Errorf("%s: %d %q", name, status, body)
			}
		}
	}
	a.remove(t.Context())
	for _, m := range []*Manager{m, other} {
		if status, _, _ := ask(m, http.MethodGet, host, challengePath+token, ""); status != http.StatusNotFound {
			t.Errorf("after the order: %d", status)
		}
	}
	for _, tc := range []struct {
		method, host, path, base string
		status                   int
		location                 string
	}{
		{http.MethodGet, host, "/packs/?q=1", "", http.StatusTemporaryRedirect, "https://" + host + "/packs/?q=1"},
		{http.MethodHead, host + ":80", "/", "https://" + host + ":5000/", http.StatusTemporaryRedirect, "https://" + host + ":5000/"},
		{http.MethodPost, host, "/v2/", "", http.StatusBadRequest, ""},
		{http.MethodGet, "elsewhere.example.com", "/", "", http.StatusNotFound, ""},
		{http.MethodGet, "elsewhere.example.com", challengePath + token, "", http.StatusNotFound, ""},
		{http.MethodGet, host, challengePath + "../" + accountKey, "", http.StatusNotFound, ""},
		{http.MethodGet, host, challengePath + "short", "", http.StatusNotFound, ""},
	} {
		if status, location, _ := ask(m, tc.method, tc.host, tc.path, tc.base); status != tc.status || location != tc.location {
			t.Errorf("%s %s%s: %d %q, want %d %q", tc.method, tc.host, tc.path, status, location, tc.status, tc.location)
		}
	}
}

// TestChallengeConfig: the proof for a CA that looks for it and for nobody else, by any server that shares the cache.
func TestChallengeConfig(t *testing.T) {
	cache := Directory(t.TempDir())
	m, other := newManager(t, newFakeCA(t), Options{Cache: cache}), newManager(t, newFakeCA(t), Options{Cache: cache})
	hello := func(name string, protocols ...string) *tls.ClientHelloInfo {
		return &tls.ClientHelloInfo{ServerName: name, SupportedProtos: protocols}
	}
	if c, err := m.ChallengeConfig(hello(host, acme.ALPNProto)); c != nil || err == nil {
		t.Errorf("nothing is ordered, and %v is shown", c)
	}
	a := put(t, m, tlsALPN01)
	for _, m := range []*Manager{m, other} {
		c, err := m.ChallengeConfig(hello(host, acme.ALPNProto))
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(c.Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(leaf.DNSNames, []string{host}) || !slices.Equal(c.NextProtos, []string{acme.ALPNProto}) || c.ClientAuth != tls.NoClientCert {
			t.Errorf("the proof is for %v", leaf.DNSNames)
		}
		for _, h := range []*tls.ClientHelloInfo{hello(host), hello(host, "h2"), hello(host, "h2", acme.ALPNProto)} {
			if c, err := m.ChallengeConfig(h); c != nil || err != nil {
				t.Errorf("%v is taken for a challenge", h.SupportedProtos)
			}
		}
		if c, err := m.ChallengeConfig(hello("other.example.com", acme.ALPNProto)); c != nil || err == nil {
			t.Errorf("another name is shown %v", c)
		}
	}
	a.remove(t.Context())
	if c, err := other.ChallengeConfig(hello(host, acme.ALPNProto)); c != nil || err == nil {
		t.Errorf("after the order %v is shown", c)
	}
}
