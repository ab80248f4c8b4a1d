package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"golang.org/x/sync/errgroup"
)

// wide is how many requests one change sends in parallel.
const wide = 16

// inParallel calls do n times, at most width at once, and returns the first error.
func inParallel(ctx context.Context, n, width int, do func(ctx context.Context, i int) error) error {
	if n == 1 {
		return do(ctx, 0)
	}
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(max(width, 1))
	for i := range n {
		if within.Err() != nil {
			break
		}
		g.Go(func() error { return do(within, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// together runs functions in parallel and returns the first error.
func together(ctx context.Context, all ...func(ctx context.Context) error) error {
	return inParallel(ctx, len(all), len(all), func(ctx context.Context, i int) error { return all[i](ctx) })
}

// turn is a mutex whose acquisition can be canceled.
type turn chan struct{}

// take acquires the turn. The caller must call done to release it.
func (t turn) take(ctx context.Context) (done func(), err error) {
	select {
	case t <- struct{}{}:
		return func() { <-t }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it crashes the program instead
	return hex.EncodeToString(b[:])
}

// pause sleeps for d or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// nonce returns a random key component.
func nonce() string { return newID()[:16] }
