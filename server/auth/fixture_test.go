package auth

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"packhouse/server/auth/htpasswd"
	"packhouse/server/config"
)

// bench is an Authenticator on a file, with a clock of its own and every comparison counted.
type bench struct {
	*testing.T
	*Authenticator
	path string
	now  time.Time
	log  bytes.Buffer

	mu    sync.Mutex
	costs []int // of the comparisons made
	begun chan struct{}
	gate  chan struct{} // not nil: comparisons wait for it
}

// lowCost and highCost are those of the files here: as cheap as bcrypt gets.
const (
	lowCost  = htpasswd.MinCost
	highCost = htpasswd.MinCost + 1
)

// line is a line of an htpasswd file. What stands in place of the bcrypt hash has its form and compares at once; what it costs is counted.
func line(_ *testing.T, user, password string, cost int) string {
	return fmt.Sprintf("%s:%s\n", user, fakeHash(password, cost))
}

func fakeHash(password string, cost int) string {
	return fmt.Sprintf("$2y$%02d$%s", cost, fmt.Sprintf("%x", sha256.Sum256([]byte(password)))[:53])
}

func newBench(t *testing.T, content string) *bench {
	t.Helper()
	return newBenchWith(t, content, config.Lockout{}, Options{})
}

func newBenchWith(t *testing.T, content string, l config.Lockout, o Options) *bench {
	t.Helper()
	b := &bench{T: t, path: filepath.Join(t.TempDir(), "htpasswd"), now: time.Now(), begun: make(chan struct{}, 1000)}
	b.write(content)
	if o.Now == nil {
		o.Now = func() time.Time { return b.now }
	}
	o.Log = slog.New(slog.NewTextHandler(&b.log, nil))
	o.Verify = b.verify
	a, err := NewAuthenticator(config.Auth{Method: config.AuthHtpasswd, Htpasswd: config.Htpasswd{Realm: "r", Path: b.path, Lockout: l}}, o)
	if err != nil {
		t.Fatal(err)
	}
	b.Authenticator = a
	return b
}

// verify counts, and waits where a test wants to look while comparisons run.
func (b *bench) verify(hash, password []byte) error {
	cost, err := htpasswd.Cost(hash)
	if err != nil {
		b.Errorf("compared with %q: %v", hash, err)
	}
	b.mu.Lock()
	b.costs = append(b.costs, cost)
	gate := b.gate
	b.mu.Unlock()
	b.begun <- struct{}{}
	if gate != nil {
		<-gate
	}
	if string(hash) != fakeHash(string(password), cost) {
		return htpasswd.ErrMismatch
	}
	return nil
}

// hashes returns the costs of the comparisons since the last call.
func (b *bench) hashes() []int {
	b.mu.Lock()
	defer b.mu.Unlock()
	costs := b.costs
	b.costs = nil
	return costs
}

func (b *bench) write(content string) {
	b.Helper()
	staged := b.path + ".new"
	if err := os.WriteFile(staged, []byte(content), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(staged, b.path); err != nil {
		b.Fatal(err)
	}
}

// request is one as net/http would hand it on.
func request(user, password, from string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v2/", nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(from), 4711).String()
	if user != "" || password != "" {
		r.SetBasicAuth(user, password)
	}
	return r
}

// try signs in and returns the status of the refusal; 0: let in as that user.
func (b *bench) try(user, password, from string) int {
	b.Helper()
	id, err := b.Authenticate(request(user, password, from))
	if err == nil && id.User != user {
		b.Errorf("signed in as %q, not as %q", id.User, user)
	}
	return status(b.T, err)
}

// expect signs in and compares status and number of comparisons.
func (b *bench) expect(what, user, password, from string, status, hashes int) {
	b.Helper()
	if got := b.try(user, password, from); got != status {
		b.Errorf("%s: status %d, want %d", what, got, status)
	}
	if got := b.hashes(); len(got) != hashes {
		b.Errorf("%s: %d comparisons, want %d", what, len(got), hashes)
	}
}

// silent fails when a secret is in the log.
func (b *bench) silent(secrets ...string) {
	b.Helper()
	for _, s := range secrets {
		if strings.Contains(b.log.String(), s) {
			b.Errorf("%q is in the log:\n%s", s, b.log.String())
		}
	}
}
