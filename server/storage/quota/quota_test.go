package quota

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/storage"
)

const memory = 1 << 20

func mustStart(t *testing.T, u *Users, user, id string) {
	t.Helper()
	if err := u.Start(t.Context(), user, id); err != nil {
		t.Fatalf("start %s of %s: %v", id, user, err)
	}
}

func mustReceive(t *testing.T, u *Users, id string) *Body {
	t.Helper()
	b, err := u.Receive(t.Context(), "ci", id, memory)
	if err != nil {
		t.Fatalf("receive %s: %v", id, err)
	}
	return b
}

// TestRequestOverTheLimitWaits verifies that a request over each limit waits for others of the same user, for a
// bounded time, and that other users are admitted meanwhile.
func TestRequestOverTheLimitWaits(t *testing.T) {
	var free int64
	for name, c := range map[string]struct {
		limits Limits
		fill   func(t *testing.T, u *Users) *Body
	}{
		"sessions": {Limits{Uploads: 2}, func(t *testing.T, u *Users) *Body {
			mustStart(t, u, "ci", "1")
			mustStart(t, u, "ci", "2")
			mustReceive(t, u, "1")
			return mustReceive(t, u, "2")
		}},
		"memory": {Limits{Memory: memory + SessionMemory}, func(t *testing.T, u *Users) *Body { return mustReceive(t, u, "2") }},
		"disk": {Limits{Free: func() int64 { return free }}, func(t *testing.T, u *Users) *Body {
			b := mustReceive(t, u, "2")
			free = 1000
			b.Add(3003)
			return b
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := New(c.limits)
				body := c.fill(t, u)
				began := time.Now()
				if err := u.Start(t.Context(), "ci", "3"); !errors.Is(err, storage.ErrTooManyUploads) {
					t.Fatalf("over the limit: %v, want %v", err, storage.ErrTooManyUploads)
				}
				if took := time.Since(began); took != DefaultWait {
					t.Errorf("refused after %v, want %v", took, DefaultWait)
				}
				mustStart(t, u, "other", "1")

				ctx, cancel := context.WithCancelCause(t.Context())
				gone := errors.New("the client is gone")
				time.AfterFunc(time.Second, func() { cancel(gone) })
				if err := u.Start(ctx, "ci", "3"); !errors.Is(err, gone) {
					t.Errorf("the client gave up: %v", err)
				}

				time.AfterFunc(10*time.Second, func() { body.Done(); u.End("ci", "2") })
				mustStart(t, u, "ci", "3")
			})
		})
	}
}

// TestBodiesWaitForMemory verifies that a body waits until memory of the same user is free, and that a user without
// other uploads is never refused.
func TestBodiesWaitForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := New(Limits{Memory: 2 * (memory + SessionMemory)})
		one, two := mustReceive(t, u, "1"), mustReceive(t, u, "2")
		if _, err := u.Receive(t.Context(), "ci", "3", memory); !errors.Is(err, storage.ErrTooManyUploads) {
			t.Fatalf("a third body: %v, want %v", err, storage.ErrTooManyUploads)
		}
		time.AfterFunc(time.Second, one.Done)
		time.AfterFunc(time.Second, func() { u.End("ci", "1") })
		three := mustReceive(t, u, "3")
		two.Done()
		three.Done()
		big, err := u.Receive(t.Context(), "alone", "1", 100*memory)
		if err != nil {
			t.Fatalf("the only body of a user, above the limit: %v", err)
		}
		big.Done()
	})
}

// TestAbandonedSessionsLapse verifies that sessions without a body stop counting after a short time, so that a crashed
// client does not lock its user out, while a session that receives bytes counts for as long as it takes.
func TestAbandonedSessionsLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := New(Limits{Uploads: 32})
		for i := range 32 {
			mustStart(t, u, "ci", strconv.Itoa(i))
		}
		mustStart(t, u, "ci", "after the crash") // waits until the others have lapsed

		u = New(Limits{Uploads: 1})
		mustStart(t, u, "ci", "slow")
		body := mustReceive(t, u, "slow")
		time.Sleep(time.Hour)
		if err := u.Start(t.Context(), "ci", "other"); !errors.Is(err, storage.ErrTooManyUploads) {
			t.Errorf("beside a slow upload: %v, want %v", err, storage.ErrTooManyUploads)
		}
		body.Done()
		time.Sleep(DefaultIdle)
		mustStart(t, u, "ci", "other")
	})
}

// TestCountEndsAtZero verifies that nothing is counted after everything has ended, in any order.
func TestCountEndsAtZero(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := New(Limits{Uploads: 1})
		mustStart(t, u, "ci", "1")
		body := mustReceive(t, u, "1")
		u.End("ci", "1") // canceled while a body arrives
		body.Done()
		for range 3 {
			whole, err := u.Put(t.Context(), "ci", memory)
			if err != nil {
				t.Fatal(err)
			}
			whole.Done()
		}
		late := mustReceive(t, u, "from before a restart")
		late.Done()
		u.End("ci", "from before a restart")
		if a := u.by["ci"]; a.memory != 0 || len(a.uploads) != 0 {
			t.Errorf("%d bytes and %d uploads are counted", a.memory, len(a.uploads))
		}
	})
}

// TestWaitersTakeTurns verifies that the request that has waited longest is admitted first.
func TestWaitersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := New(Limits{Uploads: 1})
		whole, err := u.Put(t.Context(), "ci", memory)
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan int, 5)
		for i := range 5 {
			go func() {
				b, err := u.Put(t.Context(), "ci", memory)
				if err != nil {
					t.Error(err)
					return
				}
				order <- i
				b.Done()
			}()
			synctest.Wait()
		}
		whole.Done()
		for want := range 5 {
			if got := <-order; got != want {
				t.Errorf("number %d is admitted in place of %d", got, want)
			}
		}
	})
}

// TestWaitingIsBounded verifies that requests of a user beyond those that may wait are refused at once, and that
// those of another user are not.
func TestWaitingIsBounded(t *testing.T) {
	const further = 20
	synctest.Test(t, func(t *testing.T) {
		u := New(Limits{Uploads: 1})
		mustStart(t, u, "ci", "0")
		mustReceive(t, u, "0")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		errs := make(chan error, mostWaiting+1+further)
		for i := range cap(errs) { // one is at the door
			go func() { errs <- u.Start(ctx, "ci", strconv.Itoa(i+1)) }()
		}
		synctest.Wait()
		if len(errs) != further {
			t.Errorf("%d requests were refused at once, want %d", len(errs), further)
		}
		mustStart(t, u, "other", "1")
		cancel()
		for range cap(errs) {
			if err := <-errs; err == nil {
				t.Error("a request over the limit was admitted")
			}
		}
	})
}
