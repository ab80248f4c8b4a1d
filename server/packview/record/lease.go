package record

import (
	"context"
	"sync"

	"packhouse/packs"
)

// A pack of a few kilobytes can unpack to megabytes of names and findings. Requests for such packs
// take turns, which bounds the memory of the server. Requests for ordinary packs never wait.
const (
	heavyFrom   = 256 << 10 // size in bytes from which a record is heavy
	heavyAtOnce = 4         // requests with heavy records in memory at once
	readAtOnce  = 4         // pushes with large archives in memory at once
)

// turns limits how many goroutines do something at once.
type turns chan struct{}

// take waits for a turn. The returned function ends it and may be called more than once.
func (t turns) take(ctx context.Context) (end func(), err error) {
	select {
	case t <- struct{}{}:
		return sync.OnceFunc(func() { <-t }), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// lease is the turn of one request, acquired for its first heavy record and kept until its response
// is built.
type lease struct {
	mu  sync.Mutex
	end func()
}

type leaseKey struct{}

// Lease returns a context for one request, and a function to call once the response is built and
// before it is sent: other requests wait while this one has heavy records.
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

// Heavy waits until the request of the context may have a heavy record in memory. If ctx has a
// lease, that ends the turn and end does nothing; otherwise the caller must call end.
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

// Admit returns limits for reading one archive, which then waits for a turn before it uses much
// memory. The caller calls the returned function after reading.
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
