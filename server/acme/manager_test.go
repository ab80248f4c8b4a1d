package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// TestOrder: the stand-in first, then what the CA signed; and no order by a handshake.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cache := newFakeCA(t), Directory(filepath.Join(t.TempDir(), "le-cache"))
		m := newManager(t, ca, Options{Cache: cache, Hosts: []string{"Registry.Example.com", "other.example.com.", host}})
		if len(m.names) != 2 || shown(t, m, host) != m.standIn || !strings.Contains(m.States()[0].Fault(), "not been ordered yet") {
			t.Errorf("before the order: %+v", m.States())
		}
		if !strings.Contains(m.standIn.Leaf.Subject.String(), "stand-in") || ca.count() != 0 {
			t.Errorf("stand-in %s, %d orders by handshakes", m.standIn.Leaf.Subject, ca.count())
		}
		run(t, m, time.Hour)
		for name, want := range map[string]string{host: host, "REGISTRY.example.com.": host, "other.example.com": "other.example.com", "": host, "192.0.2.1": host} {
			if got := shown(t, m, name).Leaf.DNSNames[0]; got != want {
				t.Errorf("%q is shown the certificate of %q", name, got)
			}
		}
		if s := m.States(); s[0].Fault() != "" || s[0].Obtained != 1 || ca.count() != 2 {
			t.Errorf("%+v, %d orders", s, ca.count())
		}
		again := newManager(t, ca, Options{Cache: cache})
		run(t, again, time.Hour)
		if ca.count() != 2 || !shown(t, again, host).Leaf.Equal(shown(t, m, host).Leaf) {
			t.Errorf("a restart: %d orders", ca.count())
		}
	})
}

// stopping is a cache of a server that is told to stop when it is about to keep a certificate.
type stopping struct {
	Cache
	stop func()
}

func (c stopping) Put(ctx context.Context, key string, data []byte) error {
	if key == host {
		c.stop()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return c.Cache.Put(ctx, key, data)
}

// TestStopBeforeKept: what was signed when the server is told to stop is kept, and the next start orders nothing.
func TestStopBeforeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cache := newFakeCA(t), Directory(filepath.Join(t.TempDir(), "le-cache"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		newManager(t, ca, Options{Cache: stopping{cache, cancel}}).Run(ctx)
		again := newManager(t, ca, Options{Cache: cache})
		if shown(t, again, host) == again.standIn {
			t.Error("the certificate was not kept")
		}
		run(t, again, time.Hour)
		if ca.count() != 1 {
			t.Errorf("%d orders", ca.count())
		}
	})
}

// TestRenewal: over a year of certificates of 90 days there is always one that is good, and no more orders than are needed.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(t)
		m := newManager(t, ca, Options{Cache: Directory(t.TempDir())})
		ctx, cancel := context.WithTimeout(t.Context(), 365*24*time.Hour)
		defer cancel()
		background(ctx, t, m)
		time.Sleep(time.Minute)
		for ctx.Err() == nil {
			if c := shown(t, m, host).Leaf; time.Until(c.NotAfter) < 26*24*time.Hour {
				t.Fatalf("%s before its end a certificate is still served", time.Until(c.NotAfter))
			}
			time.Sleep(6 * time.Hour)
		}
		synctest.Wait()
		if n := ca.count(); n < 6 || n > 7 { // at 0, and every 60 to 63 days
			t.Errorf("%d orders in a year", n)
		}
	})
}

// TestCoolDown: what fails is tried ever more rarely; neither a restart nor a crash makes it sooner; what the CA says is kept.
func TestCoolDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cache := newFakeCA(t), Directory(t.TempDir())
		ca.fail = func(string) error { return refusal("192.0.2.7: Connection\x1b[31m refused") }
		ca.during = func(string) { // a crash here finds the failure written down
			r, _, err := readRecord(t.Context(), cache, host, "https://ca.example/dir")
			if err != nil || time.Until(r.NextTry) < 10*time.Minute {
				t.Errorf("during the order: %+v, %v", r, err)
			}
		}
		began := time.Now()
		for time.Since(began) < 24*time.Hour { // restarted every minute for a day
			run(t, newManager(t, ca, Options{Cache: cache}), time.Minute)
		}
		var within []int
		for _, hours := range []time.Duration{1, 3, 24} {
			n := 0
			for _, c := range ca.made() {
				if c.at.Sub(began) < hours*time.Hour {
					n++
				}
			}
			within = append(within, n)
		}
		if !slices.Equal(within, []int{3, 5, 8}) {
			t.Errorf("orders within 1, 3 and 24 hours: %v", within)
		}
		m := newManager(t, ca, Options{Cache: cache})
		s := m.States()[0]
		if want := "the CA said: 192.0.2.7: Connection [31m refused (connection)"; s.Failure != want || !strings.Contains(s.Fault(), want) || s.Leaf != nil {
			t.Errorf("%+v: %s", s, s.Fault())
		}
		ca.fail = nil
		run(t, m, 13*time.Hour)
		if s := m.States()[0]; s.Fault() != "" || s.Leaf == nil {
			t.Errorf("after the cause was mended: %+v", s)
		}
	})
}

// TestFailures: what costs nothing at the CA is tried again sooner; what the CA asks for is granted; a stop costs little.
func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		err      error
		min, max time.Duration
	}{
		"unreachable":      {errors.New("dial tcp: no route to host"), time.Minute, 2 * time.Minute},
		"internal error":   {&acme.Error{StatusCode: 500, ProblemType: problemPrefix + "serverInternal"}, time.Minute, 2 * time.Minute},
		"refused":          {&acme.Error{StatusCode: 400, ProblemType: problemPrefix + "rejectedIdentifier", Detail: "forbidden by policy"}, 10 * time.Minute, 11 * time.Minute},
		"order invalid":    {&acme.OrderError{Status: "invalid"}, 10 * time.Minute, 11 * time.Minute},
		"limit, no word":   {&acme.Error{StatusCode: 429, ProblemType: problemPrefix + "rateLimited"}, 10 * time.Minute, 11 * time.Minute},
		"limit, five days": {&acme.Error{StatusCode: 429, ProblemType: problemPrefix + "rateLimited", Header: http.Header{"Retry-After": {"432000"}}}, 5 * 24 * time.Hour, 5*24*time.Hour + time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ca := newFakeCA(t)
				ca.fail = func(string) error { return fmt.Errorf("place order: %w", tc.err) }
				m := newManager(t, ca, Options{Cache: Directory(t.TempDir())})
				run(t, m, 30*time.Second)
				s := m.States()[0]
				if wait := s.NextTry.Sub(s.FailedAt); wait < tc.min || wait > tc.max || ca.count() != 1 {
					t.Errorf("next try after %s; %d orders; %s", wait, ca.count(), s.Failure)
				}
			})
		})
	}
}

// TestStopped: a server that is stopped during its first order, as the one of setup is, does not make the next one wait long.
func TestStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cache := newFakeCA(t), Directory(t.TempDir())
		ca.during = func(string) { time.Sleep(20 * time.Second) }
		run(t, newManager(t, ca, Options{Cache: cache}), 10*time.Second)
		run(t, newManager(t, ca, Options{Cache: cache}), 2*time.Minute)
		if n := ca.count(); n != 2 {
			t.Errorf("%d orders", n)
		}
	})
}

// brokenCache refuses what is put into it while it is full.
type brokenCache struct {
	Cache
	full bool
}

var errFull = errors.New("no space left on device")

func (c *brokenCache) Put(ctx context.Context, key string, data []byte) error {
	if c.full {
		return errFull
	}
	return c.Cache.Put(ctx, key, data)
}

// TestUnwritable: where nothing can be remembered nothing is ordered; what was signed is served even if it cannot be kept.
func TestUnwritable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cache := newFakeCA(t), &brokenCache{Directory(t.TempDir()), true}
		m := newManager(t, ca, Options{Cache: cache})
		run(t, m, 24*time.Hour)
		if s := m.States()[0]; ca.count() != 0 || !strings.Contains(s.Failure, "no space left") {
			t.Errorf("%d orders; %s", ca.count(), s.Failure)
		}
		if n := m.States()[0].Failed; n > 40 {
			t.Errorf("told %d times in a day", n)
		}
		cache.full = false
		ca.during = func(string) { cache.full = true }
		run(t, m, 2*time.Hour)
		if s := m.States()[0]; ca.count() != 1 || s.Leaf == nil {
			t.Errorf("%d orders, %+v", ca.count(), s)
		}
	})
}

// TestShared: of servers that share a cache one orders, and the others take over what it got.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, cache := newFakeCA(t), Directory(t.TempDir())
		ca.during = func(string) { time.Sleep(10 * time.Second) }
		ctx, cancel := context.WithTimeout(t.Context(), 70*24*time.Hour)
		defer cancel()
		var all []*Manager
		for i := range 3 {
			m := newManager(t, ca, Options{Cache: cache})
			m.names[0].spread = float64(i) / 3
			all = append(all, m)
			background(ctx, t, m)
			time.Sleep(3 * time.Second)
		}
		time.Sleep(2 * time.Minute)
		if n := ca.count(); n != 1 {
			t.Errorf("%d orders", n)
		}
		<-ctx.Done()
		synctest.Wait()
		for _, m := range all {
			if !m.Leaf().Equal(all[0].Leaf()) || ca.count() != 2 {
				t.Errorf("after the renewal: %v, %d orders", m.Leaf().NotAfter, ca.count())
			}
		}
	})
}

// TestOtherDirectory: a certificate of another directory, of the one for staging say, is served until the one in use has signed.
func TestOtherDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		staging, cache := newFakeCA(t), Directory(t.TempDir())
		staging.life = 365
		run(t, newManager(t, staging, Options{Cache: cache, Directory: "https://staging.example/dir"}), time.Minute)
		ca := newFakeCA(t)
		m := newManager(t, ca, Options{Cache: cache})
		if shown(t, m, host) == m.standIn {
			t.Error("the stand-in is served, and there is something better")
		}
		run(t, m, time.Minute)
		if ca.count() != 1 || shown(t, m, host).Leaf.CheckSignatureFrom(ca.ca.Leaf()) != nil {
			t.Errorf("%d orders", ca.count())
		}
		run(t, newManager(t, ca, Options{Cache: cache}), time.Minute)
		if ca.count() != 1 {
			t.Errorf("%d orders after a restart", ca.count())
		}
	})
}

// TestClockThatWasAhead: what a clock that was years ahead has written down does not keep the one that was set from ordering, nor from renewing,
// and is not told of any more.
func TestClockThatWasAhead(t *testing.T) {
	for _, renewal := range []bool{false, true} {
		for _, dies := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				ca, cache := newFakeCA(t), Directory(t.TempDir())
				if renewal {
					run(t, newManager(t, ca, Options{Cache: cache}), time.Minute)
				}
				ahead := newManager(t, ca, Options{Cache: cache, Now: func() time.Time { return time.Now().AddDate(12, 0, 0) }})
				ca.fail = func(string) error { return errors.New("x509: certificate has expired or is not yet valid") }
				ca.hangs = func(string) bool { return dies }
				run(t, ahead, 4*time.Minute)
				r, _, err := readRecord(t.Context(), cache, host, "https://ca.example/dir")
				if err != nil || r.NextTry.Before(time.Now().AddDate(11, 0, 0)) {
					t.Fatalf("%+v, %v", r, err)
				}
				ca.fail, ca.hangs = nil, nil
				m := newManager(t, ca, Options{Cache: cache})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				background(ctx, t, m)
				time.Sleep(time.Minute)
				if s := m.States()[0]; s.Leaf == nil || s.Fault() != "" || s.Ordering {
					t.Errorf("once the clock is set: %+v, %s", s, s.Fault())
				}
				time.Sleep(70 * 24 * time.Hour)
				if s := m.States()[0]; s.Fault() != "" || time.Until(s.Leaf.NotAfter) < 75*24*time.Hour {
					t.Errorf("at the renewal: %+v, %s", s, s.Fault())
				}
			})
		}
	}
}

// TestClockIsSetUnderARunningServer: the same where the server is not started anew.
func TestClockIsSetUnderARunningServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(t)
		ca.fail = func(string) error { return errors.New("x509: certificate has expired or is not yet valid") }
		var ahead atomic.Int64
		ahead.Store(12)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		m := newManager(t, ca, Options{Cache: Directory(t.TempDir()), Now: func() time.Time { return time.Now().AddDate(int(ahead.Load()), 0, 0) }})
		background(ctx, t, m)
		time.Sleep(time.Minute)
		ca.mu.Lock()
		ca.fail = nil
		ca.mu.Unlock()
		ahead.Store(0)
		time.Sleep(lookSoon + startSpread)
		if s := m.States()[0]; s.Leaf == nil || s.Fault() != "" {
			t.Errorf("%+v, %s", s, s.Fault())
		}
	})
}

// TestChallenges: what worked last is tried first.
func TestChallenges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newFakeCA(t)
		run(t, newManager(t, ca, Options{Cache: Directory(t.TempDir()), HTTP01: true}), 64*24*time.Hour)
		made := ca.made()
		if len(made) != 2 || !slices.Equal(made[0].kinds, []string{tlsALPN01, http01}) || !slices.Equal(made[1].kinds, []string{http01, tlsALPN01}) {
			t.Errorf("%+v", made)
		}
	})
}

// TestDamagedCache: what cannot be read is ordered anew, and not served.
func TestDamagedCache(t *testing.T) {
	for _, tc := range []struct{ key, content string }{
		{host, "not PEM"}, {host, ""}, {recordKey(host), "{"}, {recordKey(host), ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			ca, cache := newFakeCA(t), Directory(t.TempDir())
			run(t, newManager(t, ca, Options{Cache: cache}), time.Minute)
			if err := cache.Put(t.Context(), tc.key, []byte(tc.content)); err != nil {
				t.Fatal(err)
			}
			m := newManager(t, ca, Options{Cache: cache})
			run(t, m, time.Minute)
			if shown(t, m, host) == m.standIn {
				t.Errorf("%s = %q: the stand-in is served", tc.key, tc.content)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // that of another name
		ca, cache := newFakeCA(t), Directory(t.TempDir())
		run(t, newManager(t, ca, Options{Cache: cache, Hosts: []string{"a.example.com"}}), time.Minute)
		if err := os.Rename(filepath.Join(string(cache), "a.example.com"), filepath.Join(string(cache), host)); err != nil {
			t.Fatal(err)
		}
		if m := newManager(t, ca, Options{Cache: cache}); shown(t, m, host) != m.standIn {
			t.Error("the certificate of another name is served")
		}
	})
}

// TestAutocert: what autocert kept is served here, and the other way round.
func TestAutocert(t *testing.T) {
	ca, cache := newFakeCA(t), Directory(t.TempDir())
	m := newManager(t, ca, Options{Cache: cache})
	m.order(t.Context(), t.Context(), m.names[0])
	other := autocert.Manager{Cache: autocert.DirCache(string(cache)), Prompt: autocert.AcceptTOS, Client: &acme.Client{DirectoryURL: "https://127.0.0.1:1/"}}
	c, err := other.GetCertificate(&tls.ClientHelloInfo{
		ServerName: host, SupportedProtos: []string{"h2"}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves: []tls.CurveID{tls.CurveP256}, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
	if err != nil || !c.Leaf.Equal(m.Leaf()) {
		t.Errorf("autocert serves %v, %v", c, err)
	}
	if err := cache.Delete(t.Context(), recordKey(host)); err != nil {
		t.Fatal(err)
	}
	again := newManager(t, ca, Options{Cache: cache})
	if at, wanting := again.names[0].due(); wanting || time.Until(at) < 50*24*time.Hour {
		t.Errorf("a certificate without a record is due at %s, %v", at, wanting)
	}
}

func TestNoHosts(t *testing.T) {
	if _, err := New(t.Context(), Options{Cache: Directory(t.TempDir())}); !errors.Is(err, errNoHosts) {
		t.Errorf("%v", err)
	}
	if _, err := New(t.Context(), Options{Cache: Directory(t.TempDir()), Hosts: []string{"*.example.com"}}); err == nil {
		t.Error("a wildcard is taken")
	}
}
