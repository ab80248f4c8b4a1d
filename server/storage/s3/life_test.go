package s3

import (
	"context"
	"runtime"
	"testing"
	"time"

	"packhouse/server/storage/storagetest"
)

// closing waits until a store takes no more changes.
func closing(s *Store) {
	for {
		leave, err := s.enter()
		if err != nil {
			return
		}
		leave()
		runtime.Gosched()
	}
}

// within fails the test where something takes for ever.
func waitFor(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not end", what)
	}
}

func ended(do func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	return done
}

// TestClosingBesideDamage closes a store just before damage is found, in the background and in the middle of a change: setting the blob aside is a
// change too, and must not wait for the end of a Close that waits for it.
func TestClosingBesideDamage(t *testing.T) {
	setUp := func(t *testing.T) (*Store, *memoryBucket, func() object, func(o object)) {
		b := newMemoryBucket()
		s := openMemory(t, b, nil)
		d := storagetest.PushBlob(t, s, "a", noise(1, 1000))
		spoil(b, blobKey(d), 7)
		return s, b, func() object {
				o, err := b.head(t.Context(), blobKey(d))
				if err != nil {
					t.Fatal(err)
				}
				return o
			}, func(o object) {
				_ = s.verify(context.WithoutCancel(t.Context()), d, o)
			}
	}
	t.Run("in the background", func(t *testing.T) {
		s, b, now, verify := setUp(t)
		o, reading := now(), make(chan struct{})
		b.before = func(_ context.Context, verb, key string) error {
			if verb == "get" && key == o.key {
				close(reading)
				closing(s)
			}
			return nil
		}
		s.start(func(context.Context) { verify(o) })
		waitFor(t, "reading", reading)
		waitFor(t, "closing", ended(func() { _ = s.Close() }))
	})
	t.Run("in a change", func(t *testing.T) {
		s, _, now, verify := setUp(t)
		o := now()
		leave, err := s.enter()
		if err != nil {
			t.Fatal(err)
		}
		closed := ended(func() { _ = s.Close() })
		waitFor(t, "beginning to close", ended(func() { closing(s) }))
		waitFor(t, "setting aside", ended(func() { verify(o) }))
		leave()
		waitFor(t, "closing", closed)
		s.start(func(context.Context) { t.Error("a store that is closed began something") })
	})
}
