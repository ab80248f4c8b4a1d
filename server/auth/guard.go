package auth

import (
	"slices"
	"sync"
	"time"

	"packhouse/server/config"
)

const (
	// farHigher is how many times more an address, or a user from anywhere, may fail than one user from one address.
	farHigher = 10
	// mostCounted bounds what is kept of those who failed, of each kind.
	mostCounted = 20_000
	// familiarFor is how long an address is known after somebody signed in from it.
	familiarFor = 24 * time.Hour
)

// guard slows down and stops the guessing of passwords. It counts distinct wrong passwords, not requests:
//
//   - of one user from one address: over the limit they have to wait, twice as long each time;
//   - from one address (one /64 of IPv6) whoever they claim to be: likewise, at a far higher count;
//   - of one user from anywhere: each attempt is made a little slower, and nobody is refused, so that nobody can be locked out from afar.
type guard struct {
	keys *memory // makes keys of fixed size out of names a stranger chose

	mu        sync.Mutex
	pairs     lru[credential, failures]
	addresses lru[string, failures]
	names     lru[credential, failures]
	known     lru[string, time.Time]
}

// failures is how often somebody was wrong.
type failures struct {
	seen  []credential // those counted one by one
	count int
	last  time.Time
	until time.Time // nothing is tried before
}

func newGuard(keys *memory) *guard {
	return &guard{
		keys:      keys,
		pairs:     newLRU[credential, failures](mostCounted),
		addresses: newLRU[string, failures](mostCounted),
		names:     newLRU[credential, failures](mostCounted),
		known:     newLRU[string, time.Time](mostCounted),
	}
}

func (g *guard) pair(user string, c Client) credential {
	return g.keys.key(user, nil, c.Bucket())
}

func (g *guard) name(user string) credential { return g.keys.key(user, nil, "") }

// locked returns how long an attempt has to wait; 0: not at all.
func (g *guard) locked(l config.Lockout, user string, c Client, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	var wait time.Duration
	if f, ok := g.pairs.get(g.pair(user, c)); ok {
		wait = f.wait(l, now)
	}
	if c.lockable(g.knows(c, now)) {
		if f, ok := g.addresses.get(c.Bucket()); ok {
			wait = max(wait, f.wait(l, now))
		}
	}
	return wait
}

// pause returns how much slower an attempt is made because others guess at the same user.
func (g *guard) pause(l config.Lockout, user string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f, ok := g.names.get(g.name(user)); ok && !f.forgotten(l, now) && f.count >= farHigher*l.Attempts {
		return l.Delay
	}
	return 0
}

// failed counts wrong credentials and returns how long the next attempt has to wait.
func (g *guard) failed(l config.Lockout, user string, c Client, key credential, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := count(&g.pairs, g.pair(user, c), l, l.Attempts, key, now)
	if c.lockable(g.knows(c, now)) {
		wait = max(wait, count(&g.addresses, c.Bucket(), l, farHigher*l.Attempts, key, now))
	}
	count(&g.names, g.name(user), l, farHigher*l.Attempts, key, now)
	return wait
}

// succeeded forgets that this user was wrong from this address, and knows the address from now on.
func (g *guard) succeeded(user string, c Client, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pairs.remove(g.pair(user, c))
	g.known.put(c.Bucket(), now)
}

// welcome knows the address of somebody who was remembered.
func (g *guard) welcome(c Client, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.known.put(c.Bucket(), now)
}

// familiar tells whether somebody has signed in from the address.
func (g *guard) familiar(c Client, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.knows(c, now)
}

// knows is familiar for who holds the lock.
func (g *guard) knows(c Client, now time.Time) bool {
	at, ok := g.known.get(c.Bucket())
	return ok && now.Sub(*at) < familiarFor
}

// count adds one distinct wrong credential and returns the wait that follows from it.
func count[K comparable](of *lru[K, failures], k K, l config.Lockout, limit int, key credential, now time.Time) time.Duration {
	f, ok := of.get(k)
	if !ok {
		f = of.put(k, failures{})
	} else if f.forgotten(l, now) {
		*f = failures{}
	}
	if slices.Contains(f.seen, key) {
		return f.wait(l, now)
	}
	if len(f.seen) < limit {
		f.seen = append(f.seen, key)
	}
	f.count++
	f.last = now
	if over := f.count - limit; over >= 0 {
		f.until = now.Add(backOff(l, over))
	}
	return f.wait(l, now)
}

// backOff doubles with every attempt over the limit.
func backOff(l config.Lockout, over int) time.Duration {
	d := l.Delay
	for range over {
		if d *= 2; d >= l.MaxDelay {
			return l.MaxDelay
		}
	}
	return min(d, l.MaxDelay)
}

func (f *failures) wait(l config.Lockout, now time.Time) time.Duration {
	if f.forgotten(l, now) {
		return 0
	}
	return max(0, f.until.Sub(now))
}

// forgotten tells whether a whole window has passed since the last failure and since the wait it brought.
func (f *failures) forgotten(l config.Lockout, now time.Time) bool {
	since := f.last
	if f.until.After(since) {
		since = f.until
	}
	return now.Sub(since) >= l.Window
}
