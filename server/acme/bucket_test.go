package acme

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// bucket is what servers share: entries, and a lease. It counts what is asked of it.
type bucket struct {
	mu      sync.Mutex
	entries map[string][]byte
	gets    int
	writes  int
	leases  int // that were asked for
	slow    time.Duration
	unread  error
	held    map[string]*hold
}

// hold is a lease that somebody has.
type hold struct {
	by   *replica
	lose context.CancelCauseFunc
}

const leaseLife = time.Minute // of the lease of a server that died

// replica is one server on a bucket. Where it is dead, nothing of what it does arrives any more.
type replica struct {
	*bucket
	*Manager
	dead    bool
	cancel  context.CancelFunc
	runsOut time.Time // its leases, where it is dead
}

// wait is how slow the bucket is.
func (b *bucket) wait() {
	b.mu.Lock()
	d := b.slow
	b.mu.Unlock()
	elapse(d)
}

// elapse advances the fake clock of testing/synctest.
func elapse(d time.Duration) {
	time.Sleep(d) // fake time
}

func (b *bucket) slowDown(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slow = d
}

func newBucket() *bucket { return &bucket{entries: map[string][]byte{}, held: map[string]*hold{}} }

var errDead = errors.New("this server is dead")

func (r *replica) Get(_ context.Context, key string) ([]byte, error) {
	defer r.wait() // what is told was true a while ago
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return nil, errDead
	}
	r.gets++
	if r.unread != nil {
		return nil, r.unread
	}
	data, ok := r.entries[key]
	if !ok {
		return nil, ErrCacheMiss
	}
	return data, nil
}

func (r *replica) Put(_ context.Context, key string, data []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return errDead
	}
	r.writes++
	r.entries[key] = slices.Clone(data)
	return nil
}

func (r *replica) Delete(_ context.Context, key string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.dead {
		delete(r.entries, key)
	}
	return nil
}

// take is the lease of a replica.
func (r *replica) take(ctx context.Context, what string) (context.Context, func(), bool, error) {
	r.wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leases++
	if h := r.held[what]; h != nil && (!h.by.dead || time.Now().Before(h.by.runsOut)) {
		return nil, nil, false, nil
	}
	held, lose := context.WithCancelCause(ctx)
	mine := &hold{r, lose}
	r.held[what] = mine
	return held, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		lose(nil)
		if r.held[what] == mine && !r.dead {
			delete(r.held, what)
		}
	}, true, nil
}

// kill ends a server as a power cut does.
func (r *replica) kill() {
	r.mu.Lock()
	r.dead = true
	r.runsOut = time.Now().Add(leaseLife)
	r.mu.Unlock()
	r.cancel()
}

// join starts a server on the bucket, until the context ends.
func (b *bucket) join(ctx context.Context, t *testing.T, ca *fakeCA, o Options) *replica {
	t.Helper()
	r := &replica{bucket: b}
	o.Cache = r
	if o.Lease == nil {
		o.Lease = r.take
	}
	r.Manager = newManager(t, ca, o)
	ctx, r.cancel = context.WithCancel(ctx)
	background(ctx, t, r.Manager)
	return r
}

// entry is what lies in the bucket under a key; empty: nothing.
func (b *bucket) entry(key string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.entries[key])
}

func (b *bucket) put(key, content string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.entries[key] = []byte(content)
}

// asked returns what the bucket was asked for since the last time.
func (b *bucket) asked() (gets, writes, leases int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	gets, writes, leases = b.gets, b.writes, b.leases
	b.gets, b.writes, b.leases = 0, 0, 0
	return gets, writes, leases
}
