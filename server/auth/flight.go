package auth

import (
	"context"
	"errors"
	"sync"
)

// attemptID identifies an attempt: credentials from one address.
type attemptID struct {
	key     credential
	address string
}

// flights deduplicates verifications: all requests with the same attempt share one. A verification
// outlives the request that started it, but is canceled when no request waits for it anymore,
// unless the comparison has begun.
type flights struct {
	mu sync.Mutex
	up map[attemptID]*flight
}

type flight struct {
	done    chan struct{}
	err     error // read after done
	waiting int
	cancel  context.CancelFunc
}

// do returns the result of work for this attempt, or of a verification already running. A refusal
// by the queue applies only to the request that it was issued to.
func (f *flights) do(ctx context.Context, id attemptID, work func(context.Context) error) error {
	for {
		fl, leads := f.join(ctx, id, work)
		select {
		case <-fl.done:
		case <-ctx.Done():
			f.leave(id, fl)
			return ctx.Err()
		}
		var refusal *refusalError
		if !leads && errors.As(fl.err, &refusal) {
			continue
		}
		return fl.err
	}
}

// join joins the flight of an attempt or starts one.
func (f *flights) join(ctx context.Context, id attemptID, work func(context.Context) error) (fl *flight, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.up[id]; ok {
		fl.waiting++
		return fl, false
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl = &flight{done: make(chan struct{}), waiting: 1, cancel: cancel}
	if f.up == nil {
		f.up = map[attemptID]*flight{}
	}
	f.up[id] = fl
	go func() {
		defer cancel()
		fl.err = work(ctx)
		f.mu.Lock()
		if f.up[id] == fl {
			delete(f.up, id)
		}
		f.mu.Unlock()
		close(fl.done)
	}()
	return fl, true
}

// leave removes a request from a flight and cancels the flight if it was the last one.
func (f *flights) leave(id attemptID, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiting--; fl.waiting > 0 {
		return
	}
	fl.cancel()
	if f.up[id] == fl {
		delete(f.up, id) // the next request starts another flight
	}
}
