package acme

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme"

	"packhouse/certgen"
)

// fakeCA signs at once, or fails, and counts.
type fakeCA struct {
	t    *testing.T
	life int // days

	mu     sync.Mutex
	ca     *certgen.Pair
	fail   func(host string) error
	during func(host string)
	hangs  func(host string) bool // until the order is given up
	calls  []call
}

type call struct {
	host  string
	at    time.Time
	kinds []string
}

func newFakeCA(t *testing.T) *fakeCA {
	t.Helper()
	ca, err := certgen.NewCA(certgen.CAOptions{Now: time.Now(), Days: 36500})
	if err != nil {
		t.Fatal(err)
	}
	return &fakeCA{t: t, ca: ca, life: 90}
}

func (f *fakeCA) issue(ctx context.Context, host string, kinds []string) (issued, error) {
	f.mu.Lock()
	f.calls = append(f.calls, call{host, time.Now(), kinds})
	fail, during, hangs := f.fail, f.during, f.hangs
	f.mu.Unlock()
	if hangs != nil && hangs(host) {
		<-ctx.Done()
	}
	if during != nil {
		during(host)
	}
	if ctx.Err() != nil {
		return issued{}, ctx.Err()
	}
	if fail != nil {
		if err := fail(host); err != nil {
			return issued{}, err
		}
	}
	names, err := certgen.ParseNames([]string{host})
	if err != nil {
		return issued{}, err
	}
	pair, err := certgen.NewLeaf(f.ca, certgen.LeafOptions{Names: names, Days: f.life, Now: time.Now()})
	return issued{pair: pair, challenge: kinds[len(kinds)-1]}, err
}

func (f *fakeCA) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.calls)
}

// made returns all orders so far. Some may be on at the moment.
func (f *fakeCA) made() []call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// call returns one of the orders.
func (f *fakeCA) call(i int) call {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[i]
}

const host = "registry.example.com"

// newManager makes a manager that orders from a fake CA.
func newManager(t *testing.T, ca *fakeCA, o Options) *Manager {
	t.Helper()
	if o.Hosts == nil {
		o.Hosts = []string{host}
	}
	if o.Directory == "" {
		o.Directory = "https://ca.example/dir"
	}
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	m, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	m.issuer = ca
	return m
}

// run runs a manager for a while.
func run(t *testing.T, m *Manager, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	m.Run(ctx)
}

// background runs a manager until ctx ends, which is one of the test: what it still writes then is waited for, before its files go.
func background(ctx context.Context, t *testing.T, m *Manager) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	t.Cleanup(func() { <-done })
}

// shown is the certificate that a client of a name sees.
func shown(t *testing.T, m *Manager, name string) *tls.Certificate {
	t.Helper()
	c, err := m.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refusal(detail string) error {
	return fmt.Errorf("http-01: %w", &acme.AuthorizationError{Identifier: host, Errors: []error{&acme.Error{
		StatusCode: http.StatusForbidden, ProblemType: problemPrefix + "connection", Detail: detail,
	}}})
}
