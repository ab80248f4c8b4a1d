package health

import (
	"context"
	"errors"
	"sync"
	"time"

	"packhouse/server/storage"
)

// trials counts consecutive failures of trial writes. A single failure does not take the server out
// of service.
type trials struct {
	mu       sync.Mutex
	looked   bool
	failures int
}

// count records the result of a probe. Results that are certain are reported immediately instead of
// counted.
func (t *trials) count(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked = true
	if err == nil || certain(err) {
		t.failures = 0
		return
	}
	t.failures++
}

// certain reports whether err is a definite state of the storage that needs no second probe.
func certain(err error) bool {
	for _, state := range []error{storage.ErrFull, storage.ErrReadOnly, storage.ErrUnwritable, storage.ErrFailing} {
		if errors.Is(err, state) {
			return true
		}
	}
	return false
}

// tolerate reports whether the failures are below the threshold.
func (t *trials) tolerate(threshold int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.looked && t.failures < threshold
}

// forget resets the count.
func (t *trials) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked, t.failures = false, 0
}

// defaultInterval is the interval for a configuration that was not parsed from a file.
const defaultInterval = 10 * time.Second

// retime sets the interval of trial writes. The caller holds the lock.
func (cs *Checks) retime(every time.Duration) {
	was := cs.every
	if cs.every = every; every == was {
		return
	}
	if store, ok := cs.options.Store.(interface{ ProbeEvery(d time.Duration) }); ok && every > 0 {
		store.ProbeEvery(every)
	}
	switch {
	case was == 0:
		cs.trials.forget()
		cs.beginWriting()
	case every > 0:
		select {
		case cs.retimed <- struct{}{}:
		default:
		}
	case cs.unwrite != nil:
		cs.unwrite()
	}
}

// beginWriting starts trial writes if run has been called and they are enabled. The caller holds
// the lock.
func (cs *Checks) beginWriting() {
	if cs.ctx == nil || cs.over || cs.every == 0 {
		return
	}
	ctx, quit := context.WithCancel(cs.ctx)
	cs.unwrite = quit
	cs.looking.Go(func() {
		defer quit()
		cs.keepWriting(ctx)
	})
}

func (cs *Checks) interval() time.Duration {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.every
}

// keepWriting makes a trial write at every interval, even if health is not requested. A changed
// interval counts from the last write, so that the change does not cause an extra one.
func (cs *Checks) keepWriting(ctx context.Context) {
	for {
		if err := cs.asked.ask(ctx, probeDeadline, cs.options.Store.Health); ctx.Err() == nil {
			cs.trials.count(err)
		}
		for last, waiting := time.Now(), true; waiting; {
			due := time.NewTimer(cs.interval() - time.Since(last))
			select {
			case <-ctx.Done():
				due.Stop()
				return
			case <-cs.retimed:
				due.Stop()
			case <-due.C:
				waiting = false
			}
		}
	}
}
