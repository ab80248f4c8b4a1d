package s3

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/storage"
)

// TestAnEngineThatIsSilentAtTheStart: the log tells what is waited for, and whoever stops the process does not wait for it as well.
func TestAnEngineThatIsSilentAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemoryBucket()
		b.before = func(ctx context.Context, _, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		const patience = 30 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var said bytes.Buffer
		began := time.Now()
		_, err := openBucket(ctx, b, Options{Log: slog.New(slog.NewTextHandler(&said, nil))})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > patience+probeTimeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		synctest.Wait()
		if !strings.Contains(said.String(), "takes long to answer") {
			t.Errorf("said: %s", said.String())
		}
	})
}

// TestLeftoversAreCollected: what a process leaves that dies while it tries the engine, or lists a large bucket, goes with a later collection.
func TestLeftoversAreCollected(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	now := b.clock
	b.clock = func() time.Time { return now().Add(-leftoverAge - time.Minute) }
	b.set(probeDir+"old/content", []byte("1"))
	b.set(spillDir+"old/0", []byte("1"))
	b.clock = now
	b.set(probeDir+"new/content", []byte("1"))
	b.set(spillDir+"new/0", []byte("1"))
	if _, err := s.Collect(t.Context(), storage.CollectOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if left := append(b.keys(probeDir), b.keys(spillDir)...); len(left) != 2 || !strings.Contains(left[0], "new/") || !strings.Contains(left[1], "new/") {
		t.Errorf("%v", left)
	}
}

// TestManyAskForHealth of an engine that does not answer: one write tells all of them, and none waits for more than that one.
func TestManyAskForHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemoryBucket()
		s := openMemory(t, b, nil)
		time.Sleep(healthyFor)
		var tried atomic.Int32
		b.before = func(ctx context.Context, _, _ string) error {
			tried.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
		began := time.Now()
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if err := s.Health(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > probeTimeout {
					t.Errorf("%v after %s", err, time.Since(began))
				}
			})
		}
		all.Wait()
		if tried.Load() != 1 {
			t.Errorf("tried %d times", tried.Load())
		}
	})
}
