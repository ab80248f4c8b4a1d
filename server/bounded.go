package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"packhouse/server/storage"
)

// probeDeadline is how long a probe may take before it counts as failed. It is longer than the deadlines
// that probes have of their own.
const probeDeadline = 15 * time.Second

// bounded runs a function that may hang, such as one that touches a disk. Only one call runs at a
// time: callers that come while it does wait for the same call, as long as they like.
type bounded struct {
	mu   sync.Mutex
	call *boundedCall // nil: none runs
	last error        // of the last call that ended
	done bool         // some call has ended
}

type boundedCall struct {
	began time.Time
	ended chan struct{}
	err   error
}

// ask calls do, or joins the call that runs, and waits for its result. If the call takes longer
// than wait, ask returns the result of the call before, or an error if there is none or the call
// has exceeded probeDeadline. do gets a context that survives the caller.
func (b *bounded) ask(ctx context.Context, wait time.Duration, do func(context.Context) error) error {
	c := b.join(context.WithoutCancel(ctx), do)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-c.ended:
		return c.err
	case <-timer.C:
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if took := time.Since(c.began); took >= probeDeadline {
		return fmt.Errorf("%w: no answer for %s", storage.ErrFailing, took.Round(time.Second))
	}
	if !b.done {
		return errNoResult
	}
	return b.last
}

// errNoResult is returned while the first call runs.
var errNoResult = errors.New("no result yet")

// join returns the call that runs, or starts one.
func (b *bounded) join(ctx context.Context, do func(context.Context) error) *boundedCall {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.call != nil {
		return b.call
	}
	c := &boundedCall{began: time.Now(), ended: make(chan struct{})}
	b.call = c
	go func() {
		err := do(ctx)
		b.mu.Lock()
		defer b.mu.Unlock()
		c.err, b.call, b.last, b.done = err, nil, err, true
		close(c.ended)
	}()
	return c
}
