package auth

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// ranks is a pacer that delays nothing and knows the failures of networks.
type ranks map[string]int

func (ranks) earliest(t *ticket, _ time.Time) (time.Time, int, int) {
	return t.notBefore, unpaced, unpaced
}
func (ranks) begin(*ticket, time.Time)               {}
func (r ranks) rank(network string, _ time.Time) int { return r[network] }

// line-up of a queue: what was served and what was refused, in order.
type lineUp struct {
	*testing.T
	*queue
	mu     sync.Mutex
	served []string
	away   []string
	number int
	group  sync.WaitGroup
	free   func()
}

// newLineUp returns a queue whose one slot for strangers is taken until open is called.
func newLineUp(t *testing.T, most int, r ranks) *lineUp {
	l := &lineUp{T: t, queue: newQueue(2, most, time.Now, r)}
	release, err := l.acquire(t.Context(), &ticket{address: "busy", network: "busy"})
	if err != nil {
		t.Fatal(err)
	}
	l.free = release
	return l
}

func (l *lineUp) join(network string, trust trust) {
	l.number++
	t := &ticket{id: attemptID{credential{byte(l.number), byte(l.number >> 8)}, network}, address: network, network: network, trust: trust}
	l.group.Go(func() {
		release, err := l.acquire(l.Context(), t)
		l.mu.Lock()
		defer l.mu.Unlock()
		if refusal := (*refusalError)(nil); errors.As(err, &refusal) {
			l.away = append(l.away, network)
			return
		}
		l.served = append(l.served, network)
		go release()
	})
	synctest.Wait()
}

func (l *lineUp) open() {
	l.free()
	l.group.Wait()
	synctest.Wait()
	if len(l.waiting) != 0 || l.queue.free[false] != 1 || l.queue.free[true] != 1 || l.timer != nil {
		l.Errorf("left over: %d waiting, slots %v", len(l.waiting), l.queue.free)
	}
}

// TestTurns: a network with a hundred attempts delays another by one at most.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineUp(t, 100, nil)
		for _, network := range []string{"a", "a", "a", "a", "b", "c"} {
			l.join(network, 0)
		}
		l.open()
		if !slices.Equal(l.served, []string{"a", "b", "c", "a", "a", "a"}) {
			t.Errorf("served in the order %v", l.served)
		}
	})
}

// TestFewestFailuresFirst: every other turn goes to the network with the fewest failures, and the
// others still get theirs.
func TestFewestFailuresFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := ranks{"clean": 0}
		l := newLineUp(t, 100, r)
		for i := range 6 {
			network := fmt.Sprint("guesser", i)
			r[network] = 3
			l.join(network, 0)
		}
		l.join("clean", 0)
		l.open()
		if at := slices.Index(l.served, "clean"); at > 1 || len(l.served) != 7 {
			t.Errorf("served in the order %v", l.served)
		}
	})
}

// TestReservedSlot: it serves one trusted attempt at a time, the most trusted first, and no
// stranger.
func TestReservedSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineUp(t, 100, nil)
		l.join("stranger", 0)
		hold, err := l.acquire(t.Context(), &ticket{network: "known", address: "known", trust: familiar})
		if err != nil {
			t.Fatal(err)
		}
		l.join("hinted", hinted)
		l.join("exact", exactMatch)
		if len(l.served) != 0 {
			t.Fatalf("two trusted attempts run at once: %v", l.served)
		}
		l.picks[true] = 2 // the next turn is one by trust
		hold()
		synctest.Wait()
		if !slices.Equal(l.served, []string{"exact", "hinted"}) {
			t.Errorf("the reserved slot served %v", l.served)
		}
		l.open()
	})
}

// TestFullQueue: the network with most attempts and most failures makes room, and keeps its place
// in time.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLineUp(t, 4, ranks{"guesser": 5})
		for _, network := range []string{"one", "two", "guesser", "three"} {
			l.join(network, 0)
		}
		l.join("clean", 0)
		l.join("later", 0)
		if !slices.Equal(l.away, []string{"guesser", "later"}) {
			t.Errorf("turned away: %v", l.away)
		}
		id := attemptID{credential{byte(l.number)}, "later"}
		time.Sleep(shortestRetry)
		w := &waiter{ticket: &ticket{id: id, address: "later", network: "later"}, turn: make(chan turn, 1)}
		l.mu.Lock()
		l.admit(w)
		l.remove(w)
		l.mu.Unlock()
		if age := time.Since(w.since); age != shortestRetry {
			t.Errorf("after its return the attempt is %s old, want %s", age, shortestRetry)
		}
		l.open()
	})
}
