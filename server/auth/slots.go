package auth

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// errQueueFull says that too many are waiting for a comparison already.
var errQueueFull = errors.New("too many passwords are waiting to be verified")

// slots bounds how many comparisons run at once and how many wait. Whoever waits is served round robin by address, so that one address with
// a hundred attempts delays another by one at most. One slot is only for those who are trusted, and they have a queue of their own, so that
// strangers can fill neither.
type slots struct {
	most    int // waiting, in each queue
	perHost int // waiting, of one address

	mu       sync.Mutex
	free     int           // for anybody
	reserved int           // for the trusted only
	waiting  map[bool]int  // trusted or not
	of       map[place]int // waiting, by address
	ring     []string      // addresses with somebody ready, in the order they are served
	ready    map[string][]*waiter
}

// turn ends a wait: with a slot, or with errQueueFull for whoever had to make room.
type turn struct {
	reserved bool // the slot is the one for the trusted
	err      error
}

// place is where one waits.
type place struct {
	address string
	trusted bool
}

type waiter struct {
	trusted bool
	turn    chan turn
}

func newSlots(total, queue int) *slots {
	total = max(2, total)
	return &slots{
		most: queue, perHost: max(1, queue/8), free: total - 1, reserved: 1,
		waiting: map[bool]int{}, of: map[place]int{}, ready: map[string][]*waiter{},
	}
}

// acquire waits out a pause and then for a slot; release gives it back. errQueueFull at once where too many wait, and the context's error.
func (s *slots) acquire(ctx context.Context, address string, trusted bool, pause time.Duration) (release func(), err error) {
	at := place{address, trusted}
	s.mu.Lock()
	if s.of[at] >= s.perHost || s.waiting[trusted] >= s.most && !s.makeRoom(at) {
		s.mu.Unlock()
		return nil, errQueueFull
	}
	s.waiting[trusted]++
	s.of[at]++
	s.mu.Unlock()

	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			s.mu.Lock()
			defer s.mu.Unlock()
			s.leave(at)
			return nil, ctx.Err()
		}
	}

	w := &waiter{trusted: trusted, turn: make(chan turn, 1)}
	s.mu.Lock()
	if len(s.ready[address]) == 0 {
		s.ring = append(s.ring, address)
	}
	s.ready[address] = append(s.ready[address], w)
	s.serve()
	s.mu.Unlock()

	select {
	case t := <-w.turn:
		if t.err != nil {
			return nil, t.err
		}
		return func() { s.release(t.reserved) }, nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	if i := slices.Index(s.ready[address], w); i >= 0 {
		s.take(address, i)
		s.leave(at)
		s.mu.Unlock()
		return nil, ctx.Err()
	}
	s.mu.Unlock()
	if t := <-w.turn; t.err == nil {
		s.release(t.reserved) // the turn came in the same moment: pass it on
	}
	return nil, ctx.Err()
}

func (s *slots) release(reserved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reserved {
		s.reserved++
	} else {
		s.free++
	}
	s.serve()
}

// serve hands out what is free. The caller holds the lock.
func (s *slots) serve() {
	for s.free > 0 && len(s.ring) > 0 {
		s.free--
		s.next(s.ring[0], 0, false)
	}
	for s.reserved > 0 {
		address, i := s.firstTrusted()
		if i < 0 {
			return
		}
		s.reserved--
		s.next(address, i, true)
	}
}

// firstTrusted finds who may have the reserved slot.
func (s *slots) firstTrusted() (string, int) {
	for _, address := range s.ring {
		if i := slices.IndexFunc(s.ready[address], func(w *waiter) bool { return w.trusted }); i >= 0 {
			return address, i
		}
	}
	return "", -1
}

// next gives the i-th waiter of an address its turn, and the address goes to the end of the ring.
func (s *slots) next(address string, i int, reserved bool) {
	w := s.ready[address][i]
	s.take(address, i)
	if at := slices.Index(s.ring, address); at >= 0 {
		s.ring = append(slices.Delete(s.ring, at, at+1), address)
	}
	s.leave(place{address, w.trusted})
	w.turn <- turn{reserved: reserved}
}

// makeRoom turns away the last of whoever has most attempts waiting, in favour of somebody who has fewer. So a few addresses cannot fill the
// queue against all others. The caller holds the lock.
func (s *slots) makeRoom(newcomer place) bool {
	greedy, most := place{}, s.of[newcomer]+1
	for at, n := range s.of {
		if at.trusted == newcomer.trusted && n > most {
			greedy, most = at, n
		}
	}
	waiters := s.ready[greedy.address]
	for i, w := range slices.Backward(waiters) {
		if w.trusted == greedy.trusted {
			s.take(greedy.address, i)
			s.leave(greedy)
			w.turn <- turn{err: errQueueFull}
			return true
		}
	}
	return false
}

// take removes the i-th waiter of an address from those who are ready.
func (s *slots) take(address string, i int) {
	s.ready[address] = slices.Delete(s.ready[address], i, i+1)
	if len(s.ready[address]) == 0 {
		delete(s.ready, address)
		s.ring = slices.DeleteFunc(s.ring, func(a string) bool { return a == address })
	}
}

// leave counts one waiter less.
func (s *slots) leave(at place) {
	s.waiting[at.trusted]--
	if s.of[at]--; s.of[at] == 0 {
		delete(s.of, at)
	}
}
