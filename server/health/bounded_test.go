package health

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// hungStore is a store whose health probe does not return until it is released.
type hungStore struct {
	hangs    atomic.Bool
	released chan struct{}
	calls    atomic.Int32
}

func (s *hungStore) Health(context.Context) error {
	s.calls.Add(1)
	if s.hangs.Load() {
		<-s.released
	}
	return nil
}

// TestHealthOfAHungDisk checks that /health answers fast while the storage hangs, reports it once
// the deadline has passed, starts no second probe meanwhile, and recovers.
func TestHealthOfAHungDisk(t *testing.T) {
	for name, known := range map[string]bool{"hangs from the start": false, "hangs later": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &hungStore{released: make(chan struct{})}
				checks := New(Options{Store: store, Log: slog.New(slog.DiscardHandler)}, config.Health{
					StorageDriver: config.StorageHealth{Enabled: true, Interval: 10 * time.Second, Threshold: 3},
				})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				health := func(when string, want int) {
					t.Helper()
					w, began := httptest.NewRecorder(), time.Now()
					if err := checks.Serve(w, httptest.NewRequest(http.MethodGet, "/health", nil)); err != nil {
						t.Fatal(err)
					}
					if took := time.Since(began); w.Code != want || took > patience {
						t.Errorf("%s: %d after %s, want %d", when, w.Code, took, want)
					}
				}
				store.hangs.Store(!known)
				go func() { checks.Run(ctx); close(ended) }()
				synctest.Wait()
				if known {
					health("healthy", http.StatusOK)
					store.hangs.Store(true)
					health("just hung", http.StatusOK)
				} else {
					health("never probed", http.StatusServiceUnavailable)
				}
				calls := store.calls.Load()
				time.Sleep(probeDeadline)
				health("hung", http.StatusServiceUnavailable)
				for range 100 {
					time.Sleep(10 * time.Second)
					health("still hung", http.StatusServiceUnavailable)
				}
				if more := store.calls.Load() - calls; more != 0 {
					t.Errorf("%d more probes were started beside the one that hangs", more)
				}
				store.hangs.Store(false)
				close(store.released)
				synctest.Wait()
				health("recovered", http.StatusOK)
				cancel()
				<-ended
			})
		})
	}
}

// TestHungCondition checks that a file probe on a hung disk fails after its deadline, and that only
// one is in flight.
func TestHungCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		b := &bounded{}
		look := func(context.Context) error {
			calls.Add(1)
			<-release
			return nil
		}
		for range 3 {
			if err := b.ask(t.Context(), probeDeadline, look); !errors.Is(err, storage.ErrFailing) {
				t.Errorf("hung: %v, want %v", err, storage.ErrFailing)
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d calls in flight", n)
		}
		close(release)
		synctest.Wait()
		if err := b.ask(t.Context(), probeDeadline, look); err != nil {
			t.Errorf("after it answered: %v", err)
		}
	})
}

// TestPatienceOfConditions checks that every kind of condition has a deadline.
func TestPatienceOfConditions(t *testing.T) {
	for _, c := range conditionsOf(config.Health{
		File: []config.FileHealth{{File: "/f"}}, TCP: []config.TCPHealth{{Addr: "a:1"}},
		HTTP: []config.HTTPHealth{{URI: "http://a", Timeout: time.Minute}},
	}) {
		if d := patienceOf(c.settings); d <= 0 || d > 2*time.Minute {
			t.Errorf("%s: %s", c.code, d)
		}
	}
}
