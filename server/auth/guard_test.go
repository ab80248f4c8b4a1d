package auth

import (
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
	"packhouse/server/problem"
)

var quick = config.Lockout{Attempts: 3, Window: time.Minute, Delay: time.Second, MaxDelay: 8 * time.Second}

// TestLockout: after some distinct wrong passwords further comparisons are paced, at twice the pause each time, up to the longest.
// The right password waits its turn like any other, and no longer.
func TestLockout(t *testing.T) {
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, content, quick, Options{Now: time.Now})
		for i, pause := range []time.Duration{0, 0, 0, 1, 2, 4, 8, 8} {
			began := time.Now()
			b.expect("guess", "ann", fmt.Sprint("guess", i), home, 401, 1)
			if waited := time.Since(began); waited != pause*time.Second {
				t.Errorf("guess %d waited %s, want %d s", i+1, waited, pause)
			}
		}
		b.expect("from elsewhere", "ann", "right", elsewhere, 0, 1)
		b.expect("another user from there", "bob", "right", home, 0, 1)
		b.expect("cached meanwhile", "ann", "right", home, 0, 0)
		time.Sleep(8*time.Second + time.Minute)
		began := time.Now()
		for i := range quick.Attempts {
			b.expect("after a quiet window", "ann", fmt.Sprint("later", i), home, 401, 1)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("it waited %s", waited)
		}
		b.silent("guess", "right", "later")
		if !strings.Contains(b.log.String(), "too many wrong passwords") || !strings.Contains(b.log.String(), "user=ann") {
			t.Errorf("nothing of it in the log:\n%s", b.log.String())
		}
	})
}

func TestRetryAfter(t *testing.T) {
	b := newBenchWith(t, line(t, "ann", "right", lowCost), config.Lockout{Attempts: 1, Delay: 90 * time.Second}, Options{})
	b.try("ann", "wrong", home)
	b.now = b.now.Add(500 * time.Millisecond)
	_, err := b.Authenticate(request("ann", "other", home))
	w := httptest.NewRecorder()
	problem.Write(w, request("", "", home), err)
	if w.Code != 429 || w.Header().Get("Retry-After") != "90" || !strings.Contains(w.Body.String(), "TOOMANYREQUESTS") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// TestRightAgain: a password that was verified before skips the lockout, even after its lifetime in the cache.
func TestRightAgain(t *testing.T) {
	b := newBenchWith(t, line(t, "ann", "right", lowCost), config.Lockout{Attempts: 1, Delay: time.Hour, MaxDelay: 100 * time.Hour}, Options{})
	b.expect("right", "ann", "right", home, 0, 1)
	b.expect("wrong", "ann", "wrong", home, 401, 1)
	b.expect("remembered", "ann", "right", home, 0, 0)
	b.now = b.now.Add(slidingLife)
	b.expect("wrong", "ann", "other", home, 429, 0)
	b.expect("lapsed, but right before", "ann", "right", home, 0, 1)
}

// TestAddress: an address may fail far more often than a user from it before everything from it is paced. A shared address, or
// none, is not. That it is shared counts only after a sign-in from it: sending a proxy's headers gains nothing.
func TestAddress(t *testing.T) {
	const attacker, neighbour, distant = "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost) + line(t, "eve", "right", lowCost)
	for _, tc := range []struct {
		name   string
		client Client
		from   string
		known  bool // a user signed in from there
		paced  bool
	}{
		{"an address", Client{}, attacker, false, true},
		{"an address that is known", Client{}, attacker, true, true},
		{"one that claims to be a proxy", Client{Addr: netip.MustParseAddr(attacker), Shared: true}, attacker, false, true},
		{"an unlisted proxy", Client{Addr: netip.MustParseAddr(attacker), Shared: true}, attacker, true, false},
		{"this machine", Client{}, "127.0.0.1", false, false},
		{"a Unix socket", Client{Shared: true}, attacker, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBenchWith(t, content, quick, Options{Now: time.Now})
				sign := func(user, password, from string) time.Duration {
					t.Helper()
					r := request(user, password, from)
					if c := tc.client; c.Shared {
						if c.Addr.IsValid() {
							c.Addr = netip.MustParseAddr(from)
						}
						r = r.WithContext(WithClient(r.Context(), c))
					}
					began, want := time.Now(), 0
					if password != "right" {
						want = 401
					}
					if _, err := b.Authenticate(r); status(t, err) != want {
						t.Errorf("%s from %s: %v", user, from, err)
					}
					return time.Since(began)
				}
				if tc.known {
					sign("bob", "right", tc.from)
				}
				for i := range farHigher * quick.Attempts {
					if waited := sign(fmt.Sprint("user", i), "guess", tc.from); waited != 0 {
						t.Fatalf("guess %d waited %s", i, waited)
					}
				}
				want := time.Duration(0)
				if tc.paced {
					want = quick.Delay
				}
				if waited := sign("ann", "right", tc.from); waited != want {
					t.Errorf("then one waits %s, want %s", waited, want)
				}
				if tc.paced && !tc.client.Shared { // a sign-in from a shared address ends the pacing of all
					if waited := sign("eve", "right", neighbour); waited != want {
						t.Errorf("from the same /64: %s", waited)
					}
					if waited := sign("eve", "x", distant); waited != 0 {
						t.Errorf("from another /64: %s", waited)
					}
				}
			})
		})
	}
}

// TestSlowedFromAfar: guessing at one user from everywhere slows new logins of that user and refuses none.
func TestSlowedFromAfar(t *testing.T) {
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, content, quick, Options{Now: time.Now})
		for i := range farHigher * quick.Attempts {
			b.expect("guess", "ann", fmt.Sprint("guess", i), fmt.Sprintf("203.0.113.%d", i), 401, 1)
		}
		began := time.Now()
		b.expect("the right one", "ann", "right", home, 0, 1)
		if waited := time.Since(began); waited != quick.Delay {
			t.Errorf("it took %s, want %s", waited, quick.Delay)
		}
		began = time.Now()
		b.expect("remembered", "ann", "right", elsewhere, 0, 0)
		b.expect("somebody else", "bob", "right", elsewhere, 0, 1)
		if waited := time.Since(began); waited != 0 {
			t.Errorf("others were slowed by %s", waited)
		}
	})
}

func TestBuckets(t *testing.T) {
	for _, tc := range []struct{ address, bucket, network string }{
		{"192.0.2.1", "192.0.2.1", "192.0.2.0/24"},
		{"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.0/24"},
		{"2001:db8:1:2:3::4", "2001:db8:1:2::/64", "2001:db8:1::/48"},
		{"fe80::1%eth0", "fe80::/64", "fe80::/48"},
	} {
		c := Client{Addr: netip.MustParseAddr(tc.address)}
		if c.Bucket() != tc.bucket || c.network() != tc.network {
			t.Errorf("%s counts as %s in %s, want %s in %s", tc.address, c.Bucket(), c.network(), tc.bucket, tc.network)
		}
	}
	if c := (Client{}); c.Bucket() != "local" || c.network() != "local" {
		t.Errorf("no address counts as %s in %s", c.Bucket(), c.network())
	}
}

// TestBounded: what strangers can make this remember is bounded.
func TestBounded(t *testing.T) {
	m := newCache()
	now := time.Now()
	for i := range mostBad + 100 {
		m.remember(m.key(strconv.Itoa(i), nil, ""), bad, now)
	}
	if n := m.bad.Len(); n != mostBad {
		t.Errorf("%d wrong credentials are remembered", n)
	}
}
