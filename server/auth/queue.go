package auth

import (
	"context"
	"slices"
	"sync"
	"time"

	"packhouse/server/lru"
)

// trust is the set of reasons to believe that an attempt is not a guess. It affects only the order
// of service, never whether a password is compared.
type trust uint8

const (
	hinted     trust = 1 << iota // the stored hint bits match (signIns)
	familiar                     // a user has signed in from the address
	exactMatch                   // this process has verified the same credentials against the same hash
)

func (t trust) verified() bool { return t&exactMatch != 0 }

// ticket describes an attempt that waits for a comparison.
type ticket struct {
	id        attemptID
	pair      credential // of user and address
	address   string
	network   string
	lockable  bool // failures also count against the address
	trust     trust
	suspect   bool // the connection is one of a guesser
	mute      bool // a refusal reveals nothing about a verified password, or guard.turn counted it
	notBefore time.Time
}

// doubt is 1 for a suspect attempt, otherwise 0.
func (t *ticket) doubt() int {
	if t.suspect {
		return 1
	}
	return 0
}

// pacer decides when comparisons may begin. Its methods are called with the queue locked.
type pacer interface {
	earliest(t *ticket, now time.Time) (at time.Time, ofPair, ofAddress int)
	begin(t *ticket, now time.Time)
	rank(network string, now time.Time) int
}

// refusalError reports that the queue is full for an attempt.
type refusalError struct {
	paced bool          // because of wrong passwords from the client, not because of other clients
	again bool          // the same attempt was refused a moment ago
	wait  time.Duration // until a retry makes sense
}

// Error implements error.
func (r *refusalError) Error() string { return "too many passwords are waiting to be verified" }

const (
	// placeLife is how long after its Retry-After a refused attempt keeps its place, so that a
	// client that retries in time precedes guesses sent meanwhile.
	placeLife  = 2 * time.Second
	mostPlaces = 16384
	// shortestRetry is the shortest Retry-After.
	shortestRetry = time.Second
)

// queue bounds how many comparisons run at once and how many attempts wait. Turns alternate between
// the network served least recently and the network with the fewest recent failures. Within a
// network addresses take turns, and within an address the oldest attempt is next, those on connections of
// guessers last. One slot is
// reserved for attempts with some trust, which also have a separate waiting limit, so that
// strangers can exhaust neither.
type queue struct {
	now        func() time.Time
	pacer      pacer
	most       int // maximum waiting, for attempts with and without trust each
	perAddress int // the same per address

	mu      sync.Mutex
	free    map[bool]int // free slots; true: reserved
	picks   map[bool]int // turns granted, by kind of slot
	waiting []*waiter
	served  lru.Map[string, int] // the last turn of a network or address
	turns   int
	places  lru.Map[attemptID, place]
	timer   *time.Timer
}

// waiter is an attempt in the queue.
type waiter struct {
	*ticket
	since time.Time
	order int // arrival order
	turn  chan turn
}

// turn ends a wait, with a slot or a refusal.
type turn struct {
	reserved bool
	err      error
}

// place is the place of a refused attempt in the queue.
type place struct{ since, until time.Time }

func newQueue(slots, most int, now func() time.Time, p pacer) *queue {
	return &queue{
		now: now, pacer: p, most: most, perAddress: max(1, most/8),
		free: map[bool]int{false: max(2, slots) - 1, true: 1}, picks: map[bool]int{},
		served: lru.NewMap[string, int](mostCounted), places: lru.NewMap[attemptID, place](mostPlaces),
	}
}

// acquire waits for a slot, which release returns. The error is a *refusalError, immediately or
// when older attempts displace this one, or the context's error.
func (q *queue) acquire(ctx context.Context, t *ticket) (release func(), err error) {
	w := &waiter{ticket: t, turn: make(chan turn, 1)}
	q.mu.Lock()
	q.admit(w)
	q.serve()
	q.mu.Unlock()
	select {
	case got := <-w.turn:
		if got.err != nil {
			return nil, got.err
		}
		return func() { q.release(got.reserved) }, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	if q.remove(w) {
		q.mu.Unlock()
		return nil, ctx.Err()
	}
	q.mu.Unlock()
	if got := <-w.turn; got.err == nil {
		q.release(got.reserved) // the slot was granted at the same moment
	}
	return nil, ctx.Err()
}

func (q *queue) release(reserved bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free[reserved]++
	q.serve()
}

// admit adds a waiter and refuses any waiter that thereby exceeds a bound. The caller holds the
// lock.
func (q *queue) admit(w *waiter) {
	now := q.now()
	w.since, w.order = now, q.turns
	q.turns++
	if p, ok := q.places.Get(w.id); ok && now.Before(p.until) {
		w.since = p.since
	}
	q.waiting = append(q.waiting, w)
	_, ofPair, ofAddress := q.pacer.earliest(w.ticket, now)
	paced := func(o *waiter) bool { return !o.trust.verified() }
	likewise := func(o *waiter) bool { return (o.trust > 0) == (w.trust > 0) }
	gone := false
	for _, bound := range []struct {
		most   int
		paced  bool
		counts func(*waiter) bool
	}{
		{ofPair, true, func(o *waiter) bool { return paced(o) && o.pair == w.pair }},
		{ofAddress, true, func(o *waiter) bool { return paced(o) && o.address == w.address }},
		{q.perAddress, false, func(o *waiter) bool { return likewise(o) && o.address == w.address }},
		{q.most, false, likewise},
	} {
		if bound.most >= len(q.waiting) {
			continue
		}
		var of []*waiter
		for _, o := range q.waiting {
			if bound.counts(o) {
				of = append(of, o)
			}
		}
		// More than one if they arrived before wrong passwords slowed down the address.
		for len(of) > bound.most {
			last := q.last(of, now)
			of = slices.DeleteFunc(of, func(o *waiter) bool { return o == last })
			q.refuse(last, bound.paced, now)
			gone = gone || last == w
		}
		if gone {
			return
		}
	}
}

// last returns the waiter to displace first: least trusted, then on a connection of a guesser, then
// from the network with most waiters, then with most failures, then newest.
func (q *queue) last(of []*waiter, now time.Time) *waiter {
	waiting, ranks := map[string]int{}, map[string]int{}
	for _, w := range of {
		waiting[w.network]++
		ranks[w.network] = q.pacer.rank(w.network, now)
	}
	return slices.MaxFunc(of, func(a, b *waiter) int {
		return first(int(b.trust)-int(a.trust), a.doubt()-b.doubt(),
			waiting[a.network]-waiting[b.network], ranks[a.network]-ranks[b.network], a.since.Compare(b.since), a.order-b.order)
	})
}

// first returns the first nonzero comparison.
func first(comparisons ...int) int {
	for _, c := range comparisons {
		if c != 0 {
			return c
		}
	}
	return 0
}

// refuse removes a waiter, which keeps its place for a while.
func (q *queue) refuse(w *waiter, paced bool, now time.Time) {
	q.remove(w)
	at, _, _ := q.pacer.earliest(w.ticket, now)
	wait := max(shortestRetry, at.Sub(now))
	p, ok := q.places.Get(w.id)
	again := ok && now.Before(p.until)
	q.places.Put(w.id, place{since: w.since, until: now.Add(wait + placeLife)})
	w.turn <- turn{err: &refusalError{paced: paced, again: again, wait: wait}}
}

// remove removes a waiter and reports whether it was still waiting.
func (q *queue) remove(w *waiter) bool {
	i := slices.Index(q.waiting, w)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// serve assigns free slots. The caller holds the lock.
func (q *queue) serve() {
	now := q.now()
	var next time.Time
	for _, reserved := range []bool{true, false} {
		for q.free[reserved] > 0 {
			w, soonest := q.next(reserved, now)
			if w == nil {
				if !soonest.IsZero() && (next.IsZero() || soonest.Before(next)) {
					next = soonest
				}
				break
			}
			q.start(w, reserved, now)
		}
	}
	if q.timer != nil {
		q.timer.Stop()
		q.timer = nil
	}
	if !next.IsZero() {
		q.timer = time.AfterFunc(next.Sub(now), func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			q.serve()
		})
	}
}

// start grants a waiter its turn.
func (q *queue) start(w *waiter, reserved bool, now time.Time) {
	q.remove(w)
	q.places.Remove(w.id)
	q.free[reserved]--
	q.picks[reserved]++
	q.turns++
	q.served.Put(w.network, q.turns)
	q.served.Put(w.address, q.turns)
	q.pacer.begin(w.ticket, now)
	w.turn <- turn{reserved: reserved}
}

// next returns the waiter for the next free slot. If none may begin now, it returns nil and the
// time when one may.
func (q *queue) next(reserved bool, now time.Time) (best *waiter, soonest time.Time) {
	var ready []*waiter
	for _, w := range q.waiting {
		if reserved && w.trust == 0 {
			continue
		}
		at, _, _ := q.pacer.earliest(w.ticket, now)
		if at.After(now) {
			if soonest.IsZero() || at.Before(soonest) {
				soonest = at
			}
			continue
		}
		ready = append(ready, w)
	}
	if len(ready) == 0 {
		return nil, soonest
	}
	byRank := q.picks[reserved]%2 == 0
	ranks, served := map[string]int{}, map[string]int{}
	for _, w := range ready {
		if byRank {
			ranks[w.network] = q.pacer.rank(w.network, now)
		}
		served[w.network], served[w.address] = q.lastTurn(w.network), q.lastTurn(w.address)
	}
	return slices.MinFunc(ready, func(a, b *waiter) int {
		trusted := int(b.trust) - int(a.trust)
		byTrust := 0
		if reserved && byRank {
			byTrust = trusted
		}
		return first(byTrust, ranks[a.network]-ranks[b.network], served[a.network]-served[b.network],
			served[a.address]-served[b.address], trusted, a.doubt()-b.doubt(), a.since.Compare(b.since), a.order-b.order)
	}), soonest
}

func (q *queue) lastTurn(of string) int {
	if at, ok := q.served.Get(of); ok {
		return *at
	}
	return 0
}
