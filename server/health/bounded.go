package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"packhouse/server/storage"
)

// probeDeadline is how long a probe may take before it counts as failed. It exceeds the probes' own
// timeouts.
const probeDeadline = 15 * time.Second

// bounded runs a function that may hang, such as disk access. Only one call runs at a time;
// concurrent callers share it.
type bounded struct {
	mu   sync.Mutex
	call *boundedCall // nil: none is running
	last error        // of the last finished call
	done bool         // some call has finished
}

type boundedCall struct {
	began time.Time
	ended chan struct{}
	err   error
}

// ask calls do, or joins the running call, and waits for its result. If that takes longer than
// wait, ask returns the previous result, or an error if there is none or the call has exceeded
// probeDeadline. do gets a context that outlives the caller.
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

// join returns the running call, or starts one.
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
