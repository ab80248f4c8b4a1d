package server

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/certgen"
	"packhouse/server/certificates"
	"packhouse/server/config"
)

// withOrders has the server order certificates from a directory that nobody serves.
func withOrders(f *fixture, c *config.Config) {
	c.HTTP.TLS.LetsEncrypt = config.LetsEncrypt{
		CacheFile: f.path("le-cache"), Hosts: []string{"registry.example.com", "other.example.com"},
		DirectoryURL: "https://127.0.0.1:1/dir", HTTPAddr: "127.0.0.1:0",
	}
}

// TestOrdering: a server without a certificate serves a stand-in and says so, in its status and in the metrics.
func TestOrdering(t *testing.T) {
	f := newFixture(t, withOrders)
	f.run()
	address := f.server.Addr().String()
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, ServerName: "other.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	conn.Close()
	if !strings.Contains(leaf.Subject.String(), "stand-in") || f.server.Fingerprint() != certgen.Fingerprint(leaf) {
		t.Errorf("served: %s", leaf.Subject)
	}
	f.eventually("a failed order", func() bool { return strings.Count(f.log.String(), "no certificate from the ACME directory") == 2 })
	status := f.server.Status()
	if len(status.Faults) != 2 || !strings.Contains(status.Faults[0], "registry.example.com") || !strings.Contains(status.Faults[0], "refused") || !status.CertificateEnds.Equal(leaf.NotAfter) {
		t.Errorf("%+v", status)
	}
	w := httptest.NewRecorder()
	f.server.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`packhouse_acme_certificate_not_after_timestamp_seconds{host="registry.example.com"} 0`,
		`packhouse_acme_last_order_successful{host="other.example.com"} 0`,
		`packhouse_acme_orders_total{host="other.example.com",outcome="failed"} 1`,
		`packhouse_acme_orders_total{host="other.example.com",outcome="done"} 0`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if !strings.Contains(w.Body.String(), `packhouse_acme_next_try_timestamp_seconds{host="registry.example.com"} 1.`) {
		t.Error("the metrics do not tell of the next try")
	}
	if err := f.server.Reload(t.Context()); err != nil {
		t.Errorf("reload: %v", err)
	}
}

// TestOrderingAsksNothing: the answer to a CA's challenge wants no certificate of the client, whatever the configuration asks of others.
func TestOrderingAsksNothing(t *testing.T) {
	f := newFixture(t, withOrders, func(f *fixture, c *config.Config) {
		f.write("clients.crt", certgen.EncodeChain(clientCertificate(t).Leaf))
		c.HTTP.TLS.ClientCAs = []string{f.path("clients.crt")}
	})
	f.run()
	dial := func(protocols ...string) error {
		conn, err := tls.Dial("tcp", f.server.Addr().String(), &tls.Config{
			InsecureSkipVerify: true, ServerName: "registry.example.com", NextProtos: protocols, MaxVersion: tls.VersionTLS12,
		})
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := dial("h2"); err == nil {
		t.Error("a client without a certificate is let in")
	}
	if err := dial("acme-tls/1"); err == nil {
		t.Error("a challenge is answered, and there is none")
	}
	if err := os.MkdirAll(f.path("le-cache"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.write("le-cache/registry.example.com+token", standInPEM(t))
	if err := dial("acme-tls/1"); err != nil {
		t.Errorf("a challenge: %v", err)
	}
}

// standInPEM is an answer that another server has put into the cache.
func standInPEM(t *testing.T) []byte {
	t.Helper()
	names, err := certgen.ParseNames([]string{"registry.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := certgen.NewSelfSigned(certgen.LeafOptions{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	key, err := pair.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	return append(key, pair.CertPEM()...)
}

// TestOrderingStarts: what keeps a server that orders from starting, and what does not.
func TestOrderingStarts(t *testing.T) {
	f := newFixture(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, tc := range map[string]struct {
		change func(*config.LetsEncrypt)
		fails  string
	}{
		"a CA that is not there": {func(l *config.LetsEncrypt) { l.CAFile = f.path("nowhere") }, "nowhere"},
		"a CA that is none":      {func(l *config.LetsEncrypt) { l.CAFile = f.path("htpasswd") }, "htpasswd"},
		"a port that is taken":   {func(l *config.LetsEncrypt) { l.HTTPAddr = taken.Addr().String() }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c := *f.server.current.Load().config
			withOrders(f, &c)
			tc.change(&c.HTTP.TLS.LetsEncrypt)
			log := &logBuffer{}
			s, err := New(t.Context(), Options{Config: &c, LogTo: log, AdminSocket: "-"})
			if (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Fatalf("%v", err)
			}
			if err != nil {
				return
			}
			f.server, f.log = s, log
			f.run()
			f.eventually("the failure is told", func() bool { return strings.Contains(log.String(), "challenges over HTTP are not answered") })
			f.cancel()
			if err := <-f.ran; err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := os.Stat(f.path("le-cache")); err == nil {
		t.Error("a cache is made for those who order nothing")
	}
}

// TestOrderingIntoTheStorage: with storage:NAME what was ordered is in the store's own part of a file system, for its owner only; a store in
// memory is refused, since the configuration may come from elsewhere than a file that was verified.
func TestOrderingIntoTheStorage(t *testing.T) {
	f := newFixture(t, onDisk, withOrders, with(func(c *config.Config) { c.HTTP.TLS.LetsEncrypt.CacheFile = "storage:le-cache" }))
	f.run()
	f.eventually("a failed order", func() bool { return strings.Count(f.log.String(), "no certificate from the ACME directory") == 2 })
	for path, want := range map[string]os.FileMode{"": 0o700, "registry.example.com+packhouse": 0o600, "acme_account+key": 0o600} {
		info, err := os.Stat(f.path(filepath.Join("data/packhouse/v1/records/acme/le-cache", path)))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	if entries, err := os.ReadDir(f.path(".")); err != nil || slices.ContainsFunc(entries, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "storage") }) {
		t.Errorf("%v, %v", entries, err)
	}
	cache, err := certificates.OpenCache(t.Context(), f.server.current.Load().config)
	if err != nil {
		t.Fatal(err)
	}
	if record, err := cache.Get(t.Context(), "registry.example.com+packhouse"); err != nil || !strings.Contains(string(record), "refused") {
		t.Errorf("%s, %v", record, err)
	}
	c := *f.server.current.Load().config
	c.Storage.Driver = config.InMemory
	if _, err := New(t.Context(), Options{Config: &c, LogTo: io.Discard, AdminSocket: "-"}); !errors.Is(err, certificates.ErrNoCache) {
		t.Errorf("in memory: %v", err)
	}
	if _, err := certificates.OpenCache(t.Context(), &c); !errors.Is(err, certificates.ErrNoCache) {
		t.Errorf("in memory: %v", err)
	}
}
