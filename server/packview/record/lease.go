package record

import (
	"context"
	"sync"

	"packhouse/packs"
)

// Most packs are small, and nothing waits for them. A pack of a few kilobytes can unpack to megabytes of names and findings, so requests
// that meet one take turns: the memory of the server is bounded by a number of turns, not by the number of requests.
const (
	heavyFrom   = 256 << 10 // bytes of a record from which it is heavy
	heavyAtOnce = 4         // requests that have heavy records in memory at once
	readAtOnce  = 4         // pushes that have large archives in memory at once, as fast as their clients send them
)

// turns limits how many do something at once.
type turns chan struct{}

// take waits for a turn and returns what ends it, which may be called more than once.
func (t turns) take(ctx context.Context) (end func(), err error) {
	select {
	case t <- struct{}{}:
		return sync.OnceFunc(func() { <-t }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// lease is the turn of one request, taken when it first meets something heavy and kept until its answer is made.
type lease struct {
	mu  sync.Mutex
	end func()
}

type leaseKey struct{}

// Lease returns a context for one request and a function that is called when the answer is made, before it is sent: while the request has
// heavy records, others wait.
func (r *Records) Lease(ctx context.Context) (context.Context, func()) {
	l := &lease{}
	return context.WithValue(ctx, leaseKey{}, l), func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.end != nil {
			l.end()
			l.end = nil
		}
	}
}

// Heavy waits until the request of the context may have something heavy in memory. Without a lease the caller ends the turn itself.
func (r *Records) Heavy(ctx context.Context) (end func(), err error) {
	l, ok := ctx.Value(leaseKey{}).(*lease)
	if !ok {
		return r.heavy.take(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		if l.end, err = r.heavy.take(ctx); err != nil {
			return nil, err
		}
	}
	return func() {}, nil
}

// Admit bounds how many archives that take much memory are read at once. It returns the limits for one reading, and a function that ends it.
func (r *Records) Admit(limits packs.Limits) (packs.Limits, func()) {
	end := func() {}
	limits.Admit = func(ctx context.Context) (err error) {
		end, err = r.reading.take(ctx)
		if err != nil {
			end = func() {}
		}
		return err
	}
	return limits, func() { end() }
}
