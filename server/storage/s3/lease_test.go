package s3

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// leasing makes processes that share a bucket of which everything is known. Nothing of it is proven: that takes a clock that goes.
func leasing(t *testing.T, n int) (*memoryBucket, []*Store) {
	t.Helper()
	b := newMemoryBucket()
	var all []*Store
	for range n {
		s := newStore(t.Context(), b, Options{Log: testLog(t)})
		s.traits = Traits{Create: true, Replace: true}
		all = append(all, s)
	}
	return b, all
}

// TestLease: one process has it, for as long as it lives; of one that stops it is free at once, of one that dies after a minute.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, all := leasing(t, 3)
		ctx, die := context.WithCancel(t.Context())
		held, release, ok, err := all[0].Lease(ctx, "acme")
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		for range 20 {
			time.Sleep(29 * time.Second)
			if _, _, ok, err := all[1].Lease(t.Context(), "acme"); ok || err != nil || held.Err() != nil {
				t.Fatalf("another one has it: %v, %v; %v", ok, err, held.Err())
			}
		}
		release()
		_, release, ok, err = all[1].Lease(t.Context(), "acme")
		if !ok || err != nil {
			t.Fatalf("after it was given back: %v, %v", ok, err)
		}
		release()
		if _, _, ok, err = all[0].Lease(ctx, "acme"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		die() // nothing is given back
		died := time.Now()
		for {
			if _, release, ok, err = all[2].Lease(t.Context(), "acme"); err != nil {
				t.Fatal(err)
			}
			if ok {
				break
			}
			time.Sleep(time.Second)
		}
		if after := time.Since(died); after < leaseLife-leaseLife/4 || after > leaseLife+2*time.Second {
			t.Errorf("taken over after %s", after)
		}
		release()
	})
}

// TestLeaseOfWhoIsSlow: who cannot renew knows that its lease is gone before another one can have it; who loses an answer does not lose it.
func TestLeaseOfWhoIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, all := leasing(t, 2)
		var cut atomic.Bool
		b.before = func(ctx context.Context, verb, key string) error {
			if verb == "put" && strings.HasPrefix(key, leaseDir) && cut.Load() {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		held, release, ok, err := all[0].Lease(t.Context(), "acme")
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		defer release()
		cut.Store(true)
		time.Sleep(leaseLife - leaseMargin - time.Millisecond)
		if held.Err() != nil {
			t.Errorf("lost too soon: %v", context.Cause(held))
		}
		time.Sleep(2 * time.Millisecond)
		if !errors.Is(context.Cause(held), errLeaseLost) {
			t.Errorf("nearly a minute without an answer: %v", context.Cause(held))
		}
		cut.Store(false)
		if _, _, ok, err := all[1].Lease(t.Context(), "acme"); ok || err != nil {
			t.Errorf("another one has it at the same moment: %v", err)
		}
		time.Sleep(leaseMargin)
		if _, release, ok, err := all[1].Lease(t.Context(), "acme"); !ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		} else {
			release()
		}
	})
	synctest.Test(t, func(t *testing.T) {
		b, all := leasing(t, 2)
		held, release, ok, err := all[0].Lease(t.Context(), "acme")
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		time.Sleep(time.Second)
		body, _, err := read(t.Context(), b, leaseDir+"acme", 4<<10)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.put(t.Context(), leaseDir+"acme", append(body, '\n'), condition{}); err != nil { // its own writing, of which it did not hear
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if held.Err() != nil {
			t.Errorf("lost by itself: %v", context.Cause(held))
		}
		release()
		if _, release, ok, err := all[1].Lease(t.Context(), "acme"); !ok || err != nil {
			t.Errorf("not given back: %v, %v", ok, err)
		} else {
			release()
		}
	})
}
