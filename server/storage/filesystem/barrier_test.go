package filesystem

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"packhouse/server/storage/disk"
)

// TestChoiceFindsTheCheaperWay plays barriers against given costs and counts how often the dearer way was taken.
func TestChoiceFindsTheCheaperWay(t *testing.T) {
	for name, c := range map[string]struct {
		file, all time.Duration
		n         int
		wantWhole bool
	}{
		"quiet disk":                        {300, 600, 6, true},
		"few files":                         {300, 1000, 2, false},
		"beside a program that writes much": {300, 100_000, 6, false},
	} {
		var choice choice
		wrong := 0
		for range 1000 {
			whole := choice.whole(c.n)
			if whole != c.wantWhole {
				wrong++
			}
			cost := c.file * time.Duration(c.n)
			if whole {
				cost = c.all
			}
			choice.took(whole, c.n, cost)
		}
		if wrong > 40 {
			t.Errorf("%s: the dearer way %d times of 1000", name, wrong)
		}
	}
}

// syncing is a disk whose SyncAll is held up.
type syncing struct {
	disk.Disk
	calls atomic.Int32
	hold  chan struct{}
	err   error
}

func (s *syncing) Traits() disk.Traits { return disk.Traits{SyncAll: true} }

func (s *syncing) SyncAll() error {
	s.calls.Add(1)
	<-s.hold
	return s.err
}

// TestWaitersShareASync: whoever comes during a call needs the next one, and all of them need only that. Its error is everybody's.
func TestWaitersShareASync(t *testing.T) {
	d := &syncing{hold: make(chan struct{}), err: errors.New("gone")}
	b, err := newBarrier(d, BarrierAll)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var failed atomic.Int32
	waiter := func() {
		if b.wait(nil, []string{"a", "b"}) != nil {
			failed.Add(1)
		}
	}
	all.Go(waiter)
	for d.calls.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for range 10 {
		all.Go(waiter)
	}
	for joined := false; !joined; { // they have a round to wait for
		b.mu.Lock()
		joined = b.next != nil
		b.mu.Unlock()
	}
	close(d.hold)
	all.Wait()
	if n := d.calls.Load(); n < 2 || failed.Load() != 11 {
		t.Errorf("%d calls, %d of 11 failed", n, failed.Load())
	}
	if _, err := newBarrier(d, "odd"); err == nil {
		t.Error("an odd way was taken")
	}
}
