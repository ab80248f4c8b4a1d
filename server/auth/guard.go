package auth

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/server/config"
	"packhouse/server/lru"
)

const (
	// farHigher multiplies the limit for one user from one address to get the limits for an address
	// and for a user from anywhere.
	farHigher = 10
	// mostCounted bounds each table of failures.
	mostCounted = 20_000
	// networkWindow is how long a network without further failures still ranks behind networks that
	// had none.
	networkWindow = 10 * time.Minute
	// longestHold bounds how long a paced attempt waits for its turn, and mostHeld how many wait.
	// Further attempts are refused.
	longestHold = 10 * time.Second
	mostHeld    = 3
	// longestTurn bounds how long an attempt waits for its inference (guard.turn), so that a verified
	// password is accepted within 5 s. With the rate of inferences, 22 attempts wait.
	longestTurn = 4500 * time.Millisecond
)

var (
	// guesses bounds the comparisons for a user from one address, regardless of the configuration:
	// 3,900 in any hour.
	guesses = rate{interval: time.Second, burst: 300}
	// inferences bounds how many attempts are refused without a comparison while verified passwords
	// skip the lockout, because each such refusal reveals that the password was not the verified
	// one.
	inferences = rate{interval: time.Second / 5, burst: 300}
)

// guard slows down the guessing of passwords. It counts distinct wrong passwords, not requests:
//
//   - for one user from one address, and at a far higher count for one address (a /64 of IPv6)
//     whatever the user: over the limit comparisons are paced, one per pause;
//   - for one user from anywhere: each attempt is delayed a little, so that no client can lock a
//     user out from afar.
//
// Previously verified credentials are not paced. If so many attempts from the address were refused
// that the exemption itself could be used to test passwords, all attempts take turns first.
type guard struct {
	keys *cache // derives fixed-size keys from names that clients choose

	mu        sync.Mutex
	pairs     lru.Map[credential, pair]
	addresses lru.Map[string, failures]
	networks  lru.Map[string, failures]
	names     lru.Map[credential, failures]

	strictUntil atomic.Int64 // Unix nanoseconds; until then trusts checks the pair
}

// pair is one user from one address.
type pair struct {
	failures
	compared pace // comparisons
	refused  pace // distinct attempts that were refused without a comparison
}

// failures counts distinct wrong credentials.
type failures struct {
	seen  []uint64 // truncated credentials, to count each once
	count int
	last  time.Time
	next  time.Time // when the next comparison may begin
}

func newGuard(keys *cache) *guard {
	return &guard{
		keys:      keys,
		pairs:     lru.NewMap[credential, pair](mostCounted),
		addresses: lru.NewMap[string, failures](mostCounted),
		networks:  lru.NewMap[string, failures](mostCounted),
		names:     lru.NewMap[credential, failures](mostCounted),
	}
}

func (g *guard) pair(user, address string) credential { return g.keys.key(user, nil, address) }

func (g *guard) name(user string) credential { return g.keys.key(user, nil, "") }

// trusts reports whether previously verified credentials may skip the lockout of a user and
// address.
func (g *guard) trusts(user, address string, now time.Time) bool {
	if now.UnixNano() >= g.strictUntil.Load() {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.pairs.Get(g.pair(user, address))
	return !ok || !p.refused.earliest(inferences).After(now)
}

// turn reserves an inference for an attempt of a user from an address, and returns when the attempt
// may skip the lockout if its password was verified before. It returns false if too many wait.
//
// Right and wrong passwords wait alike. A client that guesses on a few connections therefore waits
// for each answer, and leaves turns to others at its address.
func (g *guard) turn(user, address string, now time.Time) (at time.Time, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := g.pair(user, address)
	p, ok := g.pairs.Get(k)
	if !ok {
		p = g.pairs.Put(k, pair{})
	}
	at = later(p.refused.earliest(inferences), now)
	if at.Sub(now) > longestTurn {
		return at, false
	}
	g.infer(p, now)
	return at, true
}

// proved returns the inference that turn reserved: the password was right, which no one learns from
// a refusal.
func (g *guard) proved(user, address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.pairs.Get(g.pair(user, address)); ok {
		p.refused.putBack(inferences)
	}
}

// infer records an inference. The caller holds the lock.
func (g *guard) infer(p *pair, now time.Time) {
	p.refused.take(inferences, now)
	if at := p.refused.earliest(inferences); at.After(now) {
		g.strictUntil.Store(max(g.strictUntil.Load(), at.UnixNano()))
	}
}

// unseen records that an attempt was refused without a comparison. On a suspect connection that
// reveals nothing, nor does one without a turn: the right password would be refused, too.
func (g *guard) unseen(t *ticket, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blame(t.network, now)
	if t.suspect || t.mute {
		return
	}
	p, ok := g.pairs.Get(t.pair)
	if !ok {
		p = g.pairs.Put(t.pair, pair{})
	}
	g.infer(p, now)
}

// blame lowers the rank of a network after a failed attempt, or after one of many refused ones. A
// guesser keeps sending new passwords, while a client that retries sends the same one.
func (g *guard) blame(network string, now time.Time) {
	f := find(g.networks, network)
	if f.forgotten(networkWindow, now) {
		*f = failures{}
	}
	f.count++
	f.last = now
}

// unpaced is the number of attempts that may wait if only the queue limits them.
const unpaced = 1 << 30

// earliest returns when a comparison for this attempt may begin, and how many attempts may wait
// until then: for the user from this address, and for the address.
func (g *guard) earliest(l config.Lockout, t *ticket, now time.Time) (at time.Time, ofPair, ofAddress int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at, ofPair, ofAddress = t.notBefore, unpaced, unpaced
	if t.trust.verified() {
		return at, ofPair, ofAddress
	}
	if p, ok := g.pairs.Get(t.pair); ok {
		if hourly := p.compared.earliest(guesses); hourly.After(now) {
			at, ofPair = later(at, hourly), mostHeld
		}
		if pause := p.pause(l, l.Attempts, now); pause > 0 {
			at, ofPair = later(at, p.next), held(pause, p.next.Sub(now))
		}
	}
	if t.lockable {
		if f, ok := g.addresses.Get(t.address); ok {
			if pause := f.pause(l, farHigher*l.Attempts, now); pause > 0 {
				at, ofAddress = later(at, f.next), held(pause, f.next.Sub(now))
			}
		}
	}
	return at, ofPair, ofAddress
}

// held returns how many attempts may wait if one comparison begins per pause, the first after wait.
func held(pause, wait time.Duration) int {
	if wait > longestHold {
		return 0
	}
	return min(mostHeld, 1+int((longestHold-max(wait, 0))/pause))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// begin records the start of a comparison.
func (g *guard) begin(l config.Lockout, t *ticket, now time.Time) {
	if t.trust.verified() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.pairs.Get(t.pair)
	if !ok {
		p = g.pairs.Put(t.pair, pair{})
	}
	p.compared.take(guesses, now)
	if pause := p.pause(l, l.Attempts, now); pause > 0 {
		p.next = now.Add(pause)
	}
	if t.lockable {
		if f, ok := g.addresses.Get(t.address); ok {
			if pause := f.pause(l, farHigher*l.Attempts, now); pause > 0 {
				f.next = now.Add(pause)
			}
		}
	}
}

// delay returns how much an attempt is delayed because clients anywhere guess at the same user.
func (g *guard) delay(l config.Lockout, user string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f, ok := g.names.Get(g.name(user)); ok && !f.forgotten(l.Window, now) && f.count >= farHigher*l.Attempts {
		return l.Delay
	}
	return 0
}

// failed counts wrong credentials and returns how long the next attempt has to wait.
func (g *guard) failed(l config.Lockout, user string, t *ticket, key credential, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen := binary.BigEndian.Uint64(key[:])
	p, ok := g.pairs.Get(t.pair)
	if !ok {
		p = g.pairs.Put(t.pair, pair{})
	}
	wait := p.add(l, l.Attempts, seen, now)
	if t.lockable {
		wait = max(wait, find(g.addresses, t.address).add(l, farHigher*l.Attempts, seen, now))
	}
	find(g.names, g.name(user)).add(l, farHigher*l.Attempts, seen, now)
	g.blame(t.network, now)
	return wait
}

func find[K comparable](of lru.Map[K, failures], k K) *failures {
	if f, ok := of.Get(k); ok {
		return f
	}
	return of.Put(k, failures{})
}

// rank orders networks by their recent failed and refused attempts, in powers of two; 0 is none.
func (g *guard) rank(network string, now time.Time) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, ok := g.networks.Get(network)
	if !ok || f.forgotten(networkWindow, now) {
		return 0
	}
	return bits.Len(uint(f.count))
}

// succeeded clears the failures of a user from an address, unless they are already paced. Otherwise
// a guesser at the same address would get further attempts with each sign-in of the user.
func (g *guard) succeeded(l config.Lockout, t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if p, ok := g.pairs.Get(t.pair); ok && p.count < l.Attempts {
		p.failures = failures{}
	}
}

// add counts a wrong credential once and returns the resulting wait.
func (f *failures) add(l config.Lockout, limit int, seen uint64, now time.Time) time.Duration {
	if f.forgotten(l.Window, now) {
		*f = failures{}
	}
	if !slices.Contains(f.seen, seen) {
		if len(f.seen) < limit {
			f.seen = append(f.seen, seen)
		}
		f.count++
		f.last = now
		f.next = later(f.next, now.Add(f.pause(l, limit, now)))
	}
	return f.pause(l, limit, now)
}

// pause returns the time between two comparisons: none below the limit, then the configured delay,
// doubling up to the configured maximum.
func (f *failures) pause(l config.Lockout, limit int, now time.Time) time.Duration {
	over := f.count - limit
	if over < 0 || f.forgotten(l.Window, now) {
		return 0
	}
	d := l.Delay
	for range over {
		if d *= 2; d >= l.MaxDelay {
			return l.MaxDelay
		}
	}
	return min(d, l.MaxDelay)
}

// forgotten reports whether a whole window has passed since the last failure and its pause.
func (f *failures) forgotten(window time.Duration, now time.Time) bool {
	return now.Sub(later(f.last, f.next)) >= window
}
