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

// TestLockout: after some distinct wrong passwords one waits, twice as long each time, up to the longest; and then starts afresh.
func TestLockout(t *testing.T) {
	b := newBenchWith(t, line(t, "ann", "right", lowCost)+line(t, "bob", "right", lowCost), quick, Options{})
	n := 0
	wrong := func(want int) {
		t.Helper()
		n++
		b.expect("guess "+strconv.Itoa(n), "ann", "guess"+strconv.Itoa(n), home, want, 1)
	}
	wrong(401)
	wrong(401)
	wrong(401)
	for i, wait := range []time.Duration{1, 2, 4, 8, 8} {
		b.expect("at once", "ann", fmt.Sprint("early", i), home, 429, 0)
		b.expect("even the right one", "ann", "right", home, 429, 0)
		b.now = b.now.Add(wait*time.Second - time.Millisecond)
		b.expect("a little too early", "ann", fmt.Sprint("late", i), home, 429, 0)
		b.now = b.now.Add(time.Millisecond)
		wrong(401)
	}
	b.expect("from elsewhere", "ann", "right", elsewhere, 0, 1)
	b.expect("somebody else from there", "bob", "right", home, 0, 1)
	b.expect("remembered meanwhile", "ann", "right", home, 0, 0)
	b.now = b.now.Add(8*time.Second + time.Minute)
	wrong(401)
	wrong(401)
	wrong(401)
	b.expect("again", "ann", "x", home, 429, 0)
	b.silent("guess", "right", "early")
	if !strings.Contains(b.log.String(), "too many wrong passwords") || !strings.Contains(b.log.String(), "user=ann") {
		t.Errorf("nothing of it in the log:\n%s", b.log.String())
	}
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

// TestRightAgain: whoever is remembered is never locked out, not even when the time of remembering is up.
func TestRightAgain(t *testing.T) {
	b := newBenchWith(t, line(t, "ann", "right", lowCost), config.Lockout{Attempts: 1, Delay: time.Hour, MaxDelay: 100 * time.Hour}, Options{})
	b.expect("right", "ann", "right", home, 0, 1)
	b.expect("wrong", "ann", "wrong", home, 401, 1)
	b.expect("remembered", "ann", "right", home, 0, 0)
	b.now = b.now.Add(slidingLife)
	b.expect("wrong", "ann", "other", home, 429, 0)
	b.expect("no longer remembered, but right before", "ann", "right", home, 0, 1)
}

// TestAddress: one address may be wrong far more often, whoever it claims to be; an address with many behind it, or none, is not locked. That
// there are many counts only where one of them could sign in: who sends the headers of a proxy gains nothing by it.
func TestAddress(t *testing.T) {
	const attacker, neighbour, distant = "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1"
	for _, tc := range []struct {
		name   string
		client Client
		from   string
		known  bool // somebody has signed in from there
		locked bool
	}{
		{"an address", Client{}, attacker, false, true},
		{"an address that is known", Client{}, attacker, true, true},
		{"who claims to be a proxy", Client{Addr: netip.MustParseAddr(attacker), Shared: true}, attacker, false, true},
		{"a proxy nobody listed", Client{Addr: netip.MustParseAddr(attacker), Shared: true}, attacker, true, false},
		{"this machine", Client{}, "127.0.0.1", false, false},
		{"a Unix socket", Client{Shared: true}, attacker, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBenchWith(t, line(t, "ann", "right", lowCost)+line(t, "bob", "right", lowCost), quick, Options{})
			sign := func(user, password, from string) int {
				r := request(user, password, from)
				if tc.client.Shared {
					c := tc.client
					if c.Addr.IsValid() {
						c.Addr = netip.MustParseAddr(from)
					}
					r = r.WithContext(WithClient(r.Context(), c))
				}
				_, err := b.Authenticate(r)
				return status(t, err)
			}
			if tc.known && sign("bob", "right", tc.from) != 0 {
				t.Fatal("bob cannot sign in")
			}
			for i := range farHigher * quick.Attempts {
				if got := sign(fmt.Sprint("user", i), "guess", tc.from); got != 401 {
					t.Fatalf("guess %d: %d", i, got)
				}
			}
			want := 0
			if tc.locked {
				want = 429
			}
			if got := sign("ann", "right", tc.from); got != want {
				t.Errorf("then: %d, want %d", got, want)
			}
			if tc.locked {
				if got := sign("ann", "right", neighbour); got != 429 {
					t.Errorf("from the same /64: %d", got)
				}
				if got := sign("ann", "right", distant); got != 0 {
					t.Errorf("from another /64: %d", got)
				}
			}
		})
	}
}

// TestSlowedFromAfar: guessing at one user from everywhere slows new logins of that user and refuses none.
func TestSlowedFromAfar(t *testing.T) {
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, content, quick, Options{})
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
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := (Client{Addr: netip.MustParseAddr(address)}).Bucket(); got != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
}

// TestBounded: what strangers can make this remember is bounded.
func TestBounded(t *testing.T) {
	l := newLRU[int, string](3)
	for i := range 5 {
		l.put(i, strconv.Itoa(i))
	}
	l.get(2)
	l.put(9, "9")
	if _, ok := l.get(3); ok || len(l.entries) != 3 || l.order.Len() != 3 {
		t.Errorf("kept %v", l.entries)
	}
	if v, ok := l.get(2); !ok || *v != "2" {
		t.Error("what was used last is gone")
	}
	m := newMemory()
	now := time.Now()
	for i := range mostBad + 100 {
		m.remember(m.key(strconv.Itoa(i), nil, ""), bad, now)
	}
	if n := len(m.bad.entries); n != mostBad {
		t.Errorf("%d wrong credentials are remembered", n)
	}
}
