package health

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// storeFunc is a store whose health a function decides.
type storeFunc func() error

func (f storeFunc) Health(context.Context) error { return f() }

// TestHealth checks that the answers contain stable codes and nothing else of what the store reports.
func TestHealth(t *testing.T) {
	for _, tc := range []struct {
		err      error
		readOnly bool
		off      bool
		body     string
	}{
		{nil, false, false, `{"status":"UP"}`},
		{storage.ErrFull, false, false, `{"status":"DOWN","codes":["storage-full"]}`},
		{storage.ErrReadOnly, false, false, `{"status":"DOWN","codes":["storage-read-only"]}`},
		{storage.ErrReadOnly, true, false, `{"status":"UP"}`},
		{errors.New("/data/secret: input/output error"), false, false, `{"status":"DOWN","codes":["storage-unavailable"]}`},
		{errors.New("broken"), false, true, `{"status":"UP"}`},
	} {
		checks := New(Options{
			Store: storeFunc(func() error { return tc.err }), ReadOnly: tc.readOnly, Log: slog.New(slog.DiscardHandler),
		}, config.Health{StorageDriver: config.StorageHealth{Enabled: !tc.off, Threshold: 3}})
		w := httptest.NewRecorder()
		if err := checks.Serve(w, httptest.NewRequest(http.MethodGet, "/health", nil)); err != nil {
			t.Fatal(err)
		}
		want := http.StatusOK
		if strings.Contains(tc.body, "DOWN") {
			want = http.StatusServiceUnavailable
		}
		if w.Body.String() != tc.body || w.Code != want {
			t.Errorf("%v: %d %s, want %s", tc.err, w.Code, w.Body, tc.body)
		}
		w = httptest.NewRecorder()
		checks.ServeDebug(w, httptest.NewRequest(http.MethodGet, "/debug/health", nil))
		_, code, _ := strings.Cut(tc.body, `"codes":[`)
		code, _, _ = strings.Cut(code, "]")
		body := w.Body.String()
		if w.Code != want || !strings.HasPrefix(body, "{"+code) || (code == "") != (body == "{}\n") {
			t.Errorf("%v: /debug/health: %d %s", tc.err, w.Code, body)
		}
	}
}

// TestConditionsStay checks that an unchanged condition keeps its state and its clock, that one with other
// settings keeps the failures of its target and counts them against its own threshold, and that a new
// one holds until its first check.
func TestConditionsStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		looks := map[string]int{}
		healthy := map[string]bool{}
		looked := func(name string) int {
			mu.Lock()
			defer mu.Unlock()
			return looks[name]
		}
		tcp := func(name string, interval time.Duration, threshold int) *condition {
			return &condition{
				code: codeTCP, what: name, settings: [3]any{name, interval, threshold}, interval: interval, threshold: threshold,
				look: func(context.Context) error {
					mu.Lock()
					defer mu.Unlock()
					if looks[name]++; healthy[name] {
						return nil
					}
					return errors.New("down")
				},
			}
		}
		p := New(Options{Log: slog.New(slog.DiscardHandler)}, config.Health{})
		ctx, cancel := context.WithCancel(t.Context())
		down := func(when string, want bool) {
			t.Helper()
			synctest.Wait()
			if got := len(p.Failing(ctx)) > 0; got != want {
				t.Errorf("%s: failing %v", when, got)
			}
		}
		done := make(chan struct{})
		p.take([]*condition{tcp("a", time.Minute, 3)}, 0)
		go func() { p.Run(ctx); close(done) }()
		time.Sleep(61 * time.Second) // two looks
		down("two failures of three", false)
		p.take([]*condition{tcp("a", time.Minute, 3), tcp("b", time.Minute, 3)}, 0)
		time.Sleep(30 * time.Second)
		if looked("a") != 2 || looked("b") != 1 {
			t.Errorf("%d and %d looks: an unchanged condition keeps its own times", looked("a"), looked("b"))
		}
		time.Sleep(30 * time.Second)
		down("three failures", true)
		p.take([]*condition{tcp("a", time.Minute, 10)}, 0)
		down("of ten", false)
		p.take([]*condition{tcp("a", time.Hour, 2)}, 0)
		down("of two, without a pause in which it holds", true)
		mu.Lock()
		healthy["a"] = true
		mu.Unlock()
		p.take([]*condition{tcp("a", time.Second, 2)}, 0)
		down("healthy, and looked at", false)
		mu.Lock()
		healthy["a"] = false
		mu.Unlock()
		time.Sleep(3 * time.Second)
		down("ill again", true)
		p.take(nil, 0)
		down("gone", false)
		n := looked("a")
		time.Sleep(time.Hour)
		if looked("a") != n {
			t.Errorf("looked at %d times after its end", looked("a")-n)
		}
		cancel()
		<-done
		p.take([]*condition{tcp("a", time.Second, 1)}, time.Second) // nothing begins after the end
		time.Sleep(time.Hour)
		if looked("a") != n {
			t.Error("looked at after the end")
		}
	})
}

// TestTrialWritesAreRetimed checks that a new interval counts from the last write, that no write is
// counted twice, and that trial writes can be disabled and enabled again.
func TestTrialWritesAreRetimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var writes []time.Duration
		began := time.Now()
		taken := func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			all := writes
			writes = nil
			return all
		}
		p := New(Options{Log: slog.New(slog.DiscardHandler), Store: storeFunc(func() error {
			mu.Lock()
			defer mu.Unlock()
			writes = append(writes, time.Since(began))
			return errors.New("disk says no")
		})}, config.Health{})
		wrote := &p.trials
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		p.take(nil, 10*time.Second)
		go p.Run(ctx)
		time.Sleep(13 * time.Second)
		for range 5 {
			p.take(nil, 4*time.Second)
			p.take(nil, 5*time.Second)
			synctest.Wait()
		}
		time.Sleep(8 * time.Second)
		want := []time.Duration{0, 10 * time.Second, 15 * time.Second, 20 * time.Second}
		if got := taken(); !slices.Equal(got, want) {
			t.Errorf("writes at %v, want %v", got, want)
		}
		if wrote.tolerate(4) || !wrote.tolerate(5) {
			t.Error("not four failures")
		}
		p.take(nil, 0)
		time.Sleep(time.Hour)
		if got := taken(); len(got) != 0 {
			t.Errorf("writes at %v though they are off", got)
		}
		p.take(nil, time.Minute)
		synctest.Wait()
		if got := taken(); len(got) != 1 || !wrote.tolerate(2) {
			t.Errorf("writes at %v after they are on again", got)
		}
	})
}

// pacedStore records the intervals that it gets.
type pacedStore struct {
	storeFunc
	paces []time.Duration
}

func (s *pacedStore) ProbeEvery(d time.Duration) { s.paces = append(s.paces, d) }

// TestStoreHearsOfTheInterval checks that the store gets each new interval of trial writes.
func TestStoreHearsOfTheInterval(t *testing.T) {
	store := &pacedStore{}
	h := config.Health{StorageDriver: config.StorageHealth{Enabled: true, Interval: 20 * time.Second}}
	checks := New(Options{Store: store, Log: slog.New(slog.DiscardHandler)}, h)
	h.StorageDriver.Interval = time.Second
	checks.Configure(h)
	checks.Configure(h)
	if want := []time.Duration{20 * time.Second, time.Second}; !slices.Equal(store.paces, want) {
		t.Errorf("told %v", store.paces)
	}
}

// TestTrials checks that trial writes count as failed only when as many in a row as the threshold fail.
func TestTrials(t *testing.T) {
	p := &trials{}
	sick := errors.New("disk says no")
	if p.tolerate(3) {
		t.Error("tolerates what it has not looked at")
	}
	for i, step := range []struct {
		err  error
		want bool
	}{{nil, true}, {sick, true}, {sick, true}, {sick, false}, {sick, false}, {nil, true}, {sick, true}} {
		p.count(step.err)
		if got := p.tolerate(3); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
