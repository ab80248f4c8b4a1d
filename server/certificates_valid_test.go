package server

import (
	"crypto/tls"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/server/config"
)

const day = 24 * time.Hour

// issue writes a pair of ca that is valid for days from start.
func (f *fixture) issue(ca *certgen.Pair, start time.Time, days int) {
	f.Helper()
	f.pair(ca, certgen.LeafOptions{Now: start, Days: days})
}

// pair writes a pair of ca for 127.0.0.1 with more options.
func (f *fixture) pair(ca *certgen.Pair, o certgen.LeafOptions) {
	f.Helper()
	var err error
	if o.Names, err = certgen.ParseNames([]string{"127.0.0.1"}); err != nil {
		f.Fatal(err)
	}
	leaf, err := certgen.NewLeaf(ca, o)
	if err != nil {
		f.Fatal(err)
	}
	key, err := leaf.KeyPEM()
	if err != nil {
		f.Fatal(err)
	}
	f.write("tls.crt", leaf.CertPEM())
	f.write("tls.key", key)
}

// TestValidPairStays verifies that neither the poll nor a reload replaces a valid pair with one that
// is expired or not valid yet, and that a valid one follows at once.
func TestValidPairStays(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ca, err := certgen.NewCA(certgen.CAOptions{Now: now.Add(-100 * day)})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(f *fixture, c *config.Config) {
		withTLS(f, c)
		f.now = func() time.Time { return now }
		f.issue(ca, now.Add(-day), 60)
	})
	first := f.server.Fingerprint()
	for name, issue := range map[string]func(){
		"expired":       func() { f.issue(ca, now.Add(-20*day), 10) },
		"not yet valid": func() { f.issue(ca, now.Add(20*day), 60) },
	} {
		t.Run(name, func(t *testing.T) {
			issue()
			f.server.certs.Follow()
			f.server.certs.Follow()
			if got := f.server.Fingerprint(); got != first {
				t.Errorf("the poll serves %s, want %s", got, first)
			}
			if f.server.certs.Fault() == nil {
				t.Error("no fault is reported")
			}
			if err := f.server.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "valid") {
				t.Errorf("Reload = %v", err)
			}
			if got := f.server.Fingerprint(); got != first {
				t.Errorf("the reload serves %s, want %s", got, first)
			}
		})
	}
	f.issue(ca, now.Add(-day), 90)
	f.server.certs.Follow()
	if got := f.server.Fingerprint(); got == first || f.server.certs.Fault() != nil {
		t.Errorf("a valid pair: served %s, fault %v", got, f.server.certs.Fault())
	}

	// When the pair in use has expired, nothing better is lost.
	now = now.Add(200 * day)
	f.issue(ca, now.Add(-50*day), 40)
	second := f.server.Fingerprint()
	f.server.certs.Follow()
	if f.server.Fingerprint() == second {
		t.Error("an expired pair is not replaced")
	}
}

// TestValidClientCAsStay verifies that client CAs that have all expired, or a damaged file, do not
// replace one that is valid.
func TestValidClientCAsStay(t *testing.T) {
	t.Parallel()
	now := time.Now()
	authority := func(start time.Time, days int) []byte {
		ca, err := certgen.NewCA(certgen.CAOptions{Now: start, Days: days})
		if err != nil {
			t.Fatal(err)
		}
		return ca.CertPEM()
	}
	valid, expired := authority(now.Add(-day), 100), authority(now.Add(-300*day), 100)
	f := newFixture(t, func(f *fixture, c *config.Config) {
		withTLS(f, c)
		f.now = func() time.Time { return now }
		f.write("clients.pem", valid)
		c.HTTP.TLS.ClientCAs = []string{f.path("clients.pem")}
	})
	subjects := func() *tls.Config {
		t.Helper()
		served, err := f.server.certs.TLSConfig().GetConfigForClient(&tls.ClientHelloInfo{})
		if err != nil {
			t.Fatal(err)
		}
		return served
	}
	before := subjects()
	for name, content := range map[string][]byte{
		"expired": expired, "empty": nil, "garbage": []byte("\x7fELF"),
		"cut short": append(append([]byte{}, valid...), valid[:len(valid)/2]...),
	} {
		f.write("clients.pem", content)
		f.server.certs.Follow()
		f.server.certs.Follow()
		if subjects() != before || f.server.certs.Fault() == nil {
			t.Errorf("%s: replaced %t, fault %v", name, subjects() != before, f.server.certs.Fault())
		}
		if err := f.server.Reload(t.Context()); err == nil {
			t.Errorf("%s: a reload accepts it", name)
		}
	}
	f.write("clients.pem", append(append([]byte{}, expired...), valid...))
	if f.server.certs.Follow(); subjects() == before || f.server.certs.Fault() != nil {
		t.Errorf("one valid CA: fault %v", f.server.certs.Fault())
	}
}

// TestRefusedReloadKeepsTheCertificate reloads a configuration that names another pair, which is good, and a users
// file that does not exist, after the pair in use was removed. The certificate stays, as everything else does.
func TestRefusedReloadKeepsTheCertificate(t *testing.T) {
	t.Parallel()
	ca, err := certgen.NewCA(certgen.CAOptions{Now: time.Now().Add(-100 * day)})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(f *fixture, c *config.Config) {
		withTLS(f, c)
		f.issue(ca, time.Now().Add(-day), 60)
	})
	first := f.server.Fingerprint()
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Rename(f.path(name), f.path("away-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	f.issue(ca, time.Now().Add(-day), 70)
	for _, name := range []string{"tls.crt", "tls.key"} {
		if err := os.Rename(f.path(name), f.path("next-"+name)); err != nil {
			t.Fatal(err)
		}
	}
	err = f.reloading(func(c *config.Config) {
		c.HTTP.TLS.Certificate, c.HTTP.TLS.Key = f.path("next-tls.crt"), f.path("next-tls.key")
		c.Auth.Htpasswd.Path = f.path("none")
	})
	if err == nil {
		t.Fatal("the reload was accepted")
	}
	if got := f.server.Fingerprint(); got != first {
		t.Errorf("a refused reload serves %s, want %s", got, first)
	}
}

// TestDamagedUsersStay verifies over HTTP that a damaged htpasswd file locks nobody out, whether the
// server polls it or reloads, and that an emptied file removes all users.
func TestDamagedUsersStay(t *testing.T) {
	t.Parallel()
	start := time.Now()
	var passed atomic.Int64
	f := newFixture(t, func(f *fixture, _ *config.Config) {
		f.now = func() time.Time { return start.Add(time.Duration(passed.Load())) }
	})
	base := f.serve()
	status := func() int { return f.ask(f.client(), "GET", base+"/v2/", "admin", nil).status }
	for _, content := range []string{"admin:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n", "\x00\x00\x00", "admin:$2y$10$cut"} {
		f.write("htpasswd", []byte(content))
		passed.Add(int64(5 * time.Second))
		if got := status(); got != 200 {
			t.Errorf("%q: %d after a poll", content, got)
		}
		if err := f.server.Reload(t.Context()); err == nil {
			t.Errorf("%q: a reload accepts it", content)
		}
		if got := status(); got != 200 {
			t.Errorf("%q: %d after a reload", content, got)
		}
		if faults := f.server.Status().Faults; len(faults) == 0 || !strings.Contains(faults[0], "htpasswd") {
			t.Errorf("%q: faults %v", content, faults)
		}
	}
	f.write("htpasswd", nil)
	if err := f.server.Reload(t.Context()); err != nil {
		t.Errorf("emptied on purpose: %v", err)
	}
	if got := status(); got != 401 {
		t.Errorf("emptied on purpose: %d", got)
	}
}

// TestNoCBC verifies by handshakes that the server accepts no TLS 1.2 suite with CBC or without forward
// secrecy, with an ECDSA and with an RSA certificate.
func TestNoCBC(t *testing.T) {
	t.Parallel()
	for _, kind := range []certgen.KeyType{certgen.ECDSAP256, certgen.RSA2048} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(f *fixture, c *config.Config) {
				withTLS(f, c)
				f.pair(f.certificate(nil), certgen.LeafOptions{KeyType: kind})
			})
			f.serve()
			var accepted []string
			for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
				if slices.Contains(suite.SupportedVersions, tls.VersionTLS13) {
					continue
				}
				c, err := tls.Dial("tcp", f.server.Addr().String(), &tls.Config{
					RootCAs: f.roots, ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite.ID},
				})
				if err != nil {
					continue
				}
				_ = c.Close()
				accepted = append(accepted, suite.Name)
				if !strings.HasPrefix(suite.Name, "TLS_ECDHE_") || !strings.Contains(suite.Name, "GCM") && !strings.Contains(suite.Name, "CHACHA20") {
					t.Errorf("the server accepts %s", suite.Name)
				}
			}
			if len(accepted) != 3 { // AES-128-GCM, AES-256-GCM and ChaCha20
				t.Errorf("the server accepts %d suites, want 3: %v", len(accepted), accepted)
			}
		})
	}
}
