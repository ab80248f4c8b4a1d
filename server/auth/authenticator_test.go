package auth

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
	"packhouse/server/problem"
)

const home, elsewhere = "192.0.2.1", "198.51.100.7"

func TestRememberedForAWhile(t *testing.T) {
	b := newBench(t, line(t, "ann", "right", lowCost))
	b.expect("the first time", "ann", "right", home, 0, 1)
	for range 50 {
		b.expect("again", "ann", "right", elsewhere, 0, 0)
	}
	b.now = b.now.Add(slidingLife - time.Second)
	b.expect("just before the end", "ann", "right", home, 0, 0)
	b.now = b.now.Add(slidingLife - time.Second)
	b.expect("prolonged by use", "ann", "right", home, 0, 0)
	b.now = b.now.Add(slidingLife)
	b.expect("not used for the whole time", "ann", "right", home, 0, 1)
	for range int(hardLife / (slidingLife - time.Minute)) {
		b.now = b.now.Add(slidingLife - time.Minute)
		b.expect("used all the time", "ann", "right", home, 0, 0)
	}
	b.now = b.now.Add(slidingLife - time.Minute)
	b.expect("at the hard end", "ann", "right", home, 0, 1)
	b.silent("right")
}

func TestWrongPasswordIsComparedOnce(t *testing.T) {
	b := newBench(t, line(t, "ann", "right", lowCost))
	b.expect("wrong", "ann", "old", home, 401, 1)
	for range 100 {
		b.expect("wrong again", "ann", "old", home, 401, 0)
	}
	b.expect("right in between", "ann", "right", home, 0, 1)
	b.expect("unknown", "bob", "right", home, 401, 1)
	b.expect("unknown again", "bob", "right", home, 401, 0)
	if s := b.Stats(); s.Failed != 2 || s.Rejected != 101 || s.Hashes != 3 || s.Locked != 0 {
		t.Errorf("counted %+v", s)
	}
	b.silent("right", "old", "bob")
}

// TestFieldsDoNotRunTogether: user, hash and password are told apart whatever they hold.
func TestFieldsDoNotRunTogether(t *testing.T) {
	m := newCache()
	seen := map[credential]string{}
	for _, f := range [][3]string{{"a", "b", "c"}, {"ab", "", "c"}, {"a", "bc", ""}, {"", "ab", "c"}, {"a", "", "bc"}, {"abc", "", ""}, {"a\x00b", "", "c"}} {
		key := m.key(f[0], []byte(f[1]), f[2])
		if other, ok := seen[key]; ok {
			t.Errorf("%q is taken for %s", f, other)
		}
		seen[key] = fmt.Sprintf("%q", f)
	}
	if m.key("a", nil, "b") == newCache().key("a", nil, "b") {
		t.Error("two processes share a key")
	}
}

// TestSameWork: unknown users, known ones with a wrong password and those with a cheap hash cost the same, and get the same answer.
func TestSameWork(t *testing.T) {
	b := newBench(t, line(t, "dear", "right", highCost)+line(t, "cheap", "right", lowCost)+line(t, "less", "right", highCost-1))
	var answers []string
	for _, user := range []string{"unknown", "dear", "cheap", "less"} {
		_, err := b.Authenticate(request(user, "wrong", home))
		w := httptest.NewRecorder()
		problem.Write(w, request("", "", home), err)
		answers = append(answers, fmt.Sprint(w.Code, w.Header(), w.Body))
		work := 0
		for _, cost := range b.hashes() {
			work += 1 << cost
		}
		if work != 1<<highCost {
			t.Errorf("%s: %d rounds, want the %d of one comparison at the highest cost", user, work, 1<<highCost)
		}
	}
	if len(slices.Compact(slices.Clone(answers))) != 1 {
		t.Errorf("the answers differ:\n%s", strings.Join(answers, "\n"))
	}
	if b.try("cheap", "right", home); len(b.hashes()) != 1 {
		t.Error("a right password costs more than one comparison")
	}
}

// TestCostlyHash verifies that one costly hash makes only guesses at its own user costly.
func TestCostlyHash(t *testing.T) {
	b := newBench(t, line(t, "costly", "right", htpasswd.MaxCost)+line(t, "cheap", "right", lowCost))
	for user, most := range map[string]int{"unknown": 1 << 12, "cheap": 1 << 12, "costly": 1 << htpasswd.MaxCost} {
		if got := b.try(user, "wrong", home); got != http.StatusUnauthorized {
			t.Errorf("%s: status %d", user, got)
		}
		work := 0
		for _, cost := range b.hashes() {
			work += 1 << cost
		}
		if work != most {
			t.Errorf("%s: %d rounds, want %d", user, work, most)
		}
	}
}

func TestRefusedUnseen(t *testing.T) {
	b := newBench(t, line(t, "ann", strings.Repeat("x", 72), lowCost))
	b.expect("72 bytes", "ann", strings.Repeat("x", 72), home, 0, 1)
	b.expect("73 bytes", "ann", strings.Repeat("x", 73), home, 401, 0)
	b.expect("empty", "ann", "", home, 401, 1)
	b.expect("no name", "", "x", home, 401, 1)
	if id, err := b.Authenticate(request("", "", home)); err != nil || !id.Anonymous {
		t.Errorf("without credentials: %+v, %v", id, err)
	}
	r := request("", "", home)
	r.Header.Set("Authorization", "Bearer abc")
	if id, err := b.Authenticate(r); err != nil || !id.Anonymous {
		t.Errorf("another scheme: %+v, %v", id, err)
	}
	r = request("ann", strings.Repeat("x", 72), home)
	r.Header.Add("Authorization", r.Header.Get("Authorization"))
	if _, err := b.Authenticate(r); problem.From(err).Status != http.StatusBadRequest {
		t.Errorf("two headers: %v", err)
	}
}

func TestOff(t *testing.T) {
	a, err := NewAuthenticator(config.Auth{Method: config.AuthNone}, Options{Verify: func(_, _ []byte) error { return errors.New("compared") }})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*http.Request{request("", "", home), request("ann", "whatever", home)} {
		if id, err := a.Authenticate(r); err != nil || !id.Anonymous || id.User != "" {
			t.Errorf("%+v, %v", id, err)
		}
	}
	if a.Refresh(); a.Fault() != nil || a.Users() != 0 {
		t.Error("there is a file")
	}
}

// TestOneFlight: a hundred requests with the same new credentials wait for one comparison, and a leader who leaves fails nobody.
func TestOneFlight(t *testing.T) {
	content := line(t, "ann", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, content)
		b.gate = make(chan struct{})
		leader, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := b.Authenticate(request("ann", "right", home).WithContext(leader))
			left <- err
		}()
		<-b.begun
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if got := b.try("ann", "right", elsewhere); got != 0 {
					t.Errorf("a follower is refused: %d", got)
				}
			})
		}
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the leader got %v", err)
		}
		close(b.gate)
		group.Wait()
		if n := len(b.hashes()); n != 1 {
			t.Errorf("%d comparisons, want 1", n)
		}
	})
}

// TestGivenUp: a comparison nobody waits for any more is not begun, and whoever comes later gets one.
func TestGivenUp(t *testing.T) {
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, content, config.Lockout{}, Options{Slots: 2})
		b.gate = make(chan struct{})
		go b.try("ann", "right", home) // takes the one slot for strangers
		<-b.begun
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = b.Authenticate(request("bob", "right", home).WithContext(ctx)) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		close(b.gate)
		synctest.Wait()
		if n := len(b.hashes()); n != 1 {
			t.Errorf("%d comparisons, want that of ann only", n)
		}
		b.expect("later", "bob", "right", home, 0, 1)
	})
}

// TestLeaderLeavesTheQueue: followers get the comparison that a leader waited for and gave up.
func TestLeaderLeavesTheQueue(t *testing.T) {
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, content, config.Lockout{}, Options{Slots: 2})
		b.gate = make(chan struct{})
		go b.try("ann", "right", home)
		<-b.begun
		leader, leave := context.WithCancel(t.Context())
		go func() { _, _ = b.Authenticate(request("bob", "right", home).WithContext(leader)) }()
		synctest.Wait()
		follower := make(chan int)
		go func() { follower <- b.try("bob", "right", elsewhere) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		close(b.gate)
		if got := <-follower; got != 0 {
			t.Errorf("the follower: %d", got)
		}
		if n := len(b.hashes()); n != 2 {
			t.Errorf("%d comparisons, want 2", n)
		}
	})
}

// TestUnknownNeverMatches: a user who is not in the file is refused whatever the comparison says.
func TestUnknownNeverMatches(t *testing.T) {
	path := newBench(t, line(t, "ann", "right", lowCost)).path
	a, err := NewAuthenticator(config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Path: path}}, Options{
		Verify: func(_, _ []byte) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(request("bob", "", home)); status(t, err) != 401 {
		t.Errorf("let in: %v", err)
	}
	if _, err := a.Authenticate(request("ann", "", home)); err != nil {
		t.Errorf("the comparison is not asked: %v", err)
	}
}

func TestClientCertificates(t *testing.T) {
	b := newBench(t, line(t, "ann", "right", lowCost))
	c := config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{
		Realm: "r", Path: b.path, ClientNames: map[string]string{"node-1": "ann", "ann@example.com": "ann", "node-2": "gone"},
	}}
	if err := b.Reconfigure(c); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		cert     x509.Certificate
		verified bool
		user     string
	}{
		{x509.Certificate{Subject: pkix.Name{CommonName: "node-1"}}, true, "ann"},
		{x509.Certificate{EmailAddresses: []string{"ann@example.com"}}, true, "ann"},
		{x509.Certificate{DNSNames: []string{"node-1"}}, true, "ann"},
		{x509.Certificate{Subject: pkix.Name{CommonName: "node-1"}}, false, ""}, // shown, but not verified
		{x509.Certificate{Subject: pkix.Name{CommonName: "node-2"}}, true, ""},  // its user is not in the file
		{x509.Certificate{Subject: pkix.Name{CommonName: "ann"}}, true, ""},     // a name that is not mapped
	} {
		r := request("", "", home)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{&tc.cert}}
		if tc.verified {
			r.TLS.VerifiedChains = [][]*x509.Certificate{{&tc.cert}}
		}
		id, err := b.Authenticate(r)
		if err != nil || id.User != tc.user || id.Anonymous != (tc.user == "") {
			t.Errorf("%v, verified %v: %+v, %v", tc.cert.Subject, tc.verified, id, err)
		}
	}
	if len(b.hashes()) != 0 {
		t.Error("a password was compared")
	}
}

func TestProbes(t *testing.T) {
	b := newBenchWith(t, line(t, "ann", "right", lowCost), config.Lockout{Attempts: 2}, Options{})
	user, password := b.Probes().Issue(Writer)
	if id, err := b.Authenticate(request(user, password, home)); err != nil || !id.Probe || id.Role != Writer {
		t.Errorf("%+v, %v", id, err)
	}
	for i := range 20 {
		b.expect("wrong password of a probe", user, fmt.Sprint("wrong", i), home, 401, 0)
	}
	b.expect("somebody from the same address", "ann", "right", home, 0, 1)
	b.now = b.now.Add(ProbeLife)
	b.expect("a probe that has ended", user, password, home, 401, 1)
	for range 2 * mostProbes {
		b.Probes().Issue(Reader)
	}
	if n := len(b.probes.alive); n > mostProbes {
		t.Errorf("%d probes are alive", n)
	}
}

// TestFlood: while strangers guess as fast as they can, the remembered user costs nothing, and a new good login from an address that is
// known gets the slot that is kept for it.
func TestFlood(t *testing.T) {
	content := line(t, "ann", "right", lowCost) + line(t, "bob", "right", lowCost)
	synctest.Test(t, func(t *testing.T) {
		b := newBenchWith(t, content, config.Lockout{}, Options{Slots: 2, Queue: 64})
		b.expect("signing in before", "ann", "right", home, 0, 1)
		b.gate = make(chan struct{})
		var group sync.WaitGroup
		refused := make(chan int, 400)
		for i := range 400 {
			group.Go(func() { refused <- b.try("ann", fmt.Sprint("guess", i), fmt.Sprintf("203.0.113.%d", i%40)) })
		}
		synctest.Wait() // one compares, the queue is full, the others were turned away
		if n := len(b.hashes()); n != 1 {
			t.Fatalf("%d comparisons at once, want 1: the other slot is kept", n)
		}
		for range 100 {
			b.expect("the remembered user", "ann", "right", elsewhere, 0, 0)
		}
		signedIn := make(chan int, 1)
		go func() { signedIn <- b.try("bob", "right", home) }()
		synctest.Wait()
		if n := len(b.hashes()); n != 1 {
			t.Fatalf("the new login runs %d comparisons, want 1 in the slot kept for it", n)
		}
		close(b.gate)
		if got := <-signedIn; got != 0 {
			t.Errorf("the new login: %d", got)
		}
		group.Wait()
		close(refused)
		statuses := map[int]int{}
		for s := range refused {
			statuses[s]++
		}
		if statuses[0] != 0 || statuses[429] == 0 || statuses[401] == 0 || statuses[401]+statuses[429] != 400 {
			t.Errorf("statuses of the flood: %v", statuses)
		}
	})
}
