package maintenance

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
	"packhouse/server/observe"
	"packhouse/server/storage"
)

// taskStore records the tasks.
type taskStore struct {
	storage.Store

	mu                          sync.Mutex
	collected, purged, scrubbed []time.Time
	failing                     error
}

// fail makes every task fail from now on.
func (s *taskStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = err
}

// done returns the times of each task.
func (s *taskStore) done() (collected, purged, scrubbed []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.collected, s.purged, s.scrubbed
}

func (s *taskStore) Collect(
	_ context.Context, o storage.CollectOptions, _ func(storage.Verdict),
) (storage.CollectReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collected = append(s.collected, time.Now())
	return storage.CollectReport{BytesFreed: int64(o.Window)}, s.failing
}

func (s *taskStore) PurgeUploads(context.Context, time.Duration, bool) (storage.PurgeReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purged = append(s.purged, time.Now())
	return storage.PurgeReport{}, s.failing
}

func (s *taskStore) Scrub(
	_ context.Context, _ storage.ScrubOptions, report func(storage.Damage),
) (storage.ScrubReport, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scrubbed = append(s.scrubbed, time.Now())
	report(storage.Damage{What: "a bit fell over"})
	return storage.ScrubReport{}, s.failing
}

// TestTasks checks that the tasks run at their intervals, that a failure ends none of them, and that a
// reload applies to them.
func TestTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		sick, current := &taskStore{}, atomic.Pointer[config.Maintenance]{}
		c := config.Maintenance{}
		c.GC.Interval = time.Hour
		c.UploadPurging.Enabled, c.UploadPurging.Interval = true, 2*time.Hour
		current.Store(&c)
		tasks := Tasks{
			Store: sick, Config: func() config.Maintenance { return *current.Load() }, Metrics: observe.NewMetrics(),
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { tasks.Run(ctx); close(ended) }()
		began := time.Now()

		time.Sleep(firstRun - time.Second)
		if collected, _, _ := sick.done(); len(collected) != 0 {
			t.Error("it began at once")
		}
		time.Sleep(10*time.Hour + firstRun)
		collected, purged, scrubbed := sick.done()
		if n := len(collected); n < 9 || n > 12 {
			t.Errorf("%d collections in ten hours", n)
		}
		if n := len(purged); n < 5 || n > 7 {
			t.Errorf("%d purges in ten hours", n)
		}
		if first := collected[0].Sub(began); first < firstRun || first > 2*firstRun {
			t.Errorf("the first after %s", first)
		}
		if len(scrubbed) != 0 {
			t.Error("scrubbed although it is off")
		}

		sick.fail(errors.New("the disk is tired"))
		n := len(collected)
		changed := c
		changed.Scrub.Interval = time.Hour
		changed.UploadPurging.Enabled = false
		current.Store(&changed)
		time.Sleep(5 * time.Hour)
		if collected, _, scrubbed = sick.done(); len(collected) < n+4 || len(scrubbed) < 4 {
			t.Errorf("%d collections, %d scrubs after a failure and a reload", len(collected)-n, len(scrubbed))
		}
		cancel()
		<-ended
		if said := log.String(); !strings.Contains(said, "the disk is tired") || !strings.Contains(said, "a bit fell over") {
			t.Errorf("the log is silent:\n%s", said)
		}
	})
}

// TestReadOnlyServerLeavesTheStoreAlone checks that a read-only store has no tasks.
func TestReadOnlyServerLeavesTheStoreAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sick := &taskStore{}
		c := config.Maintenance{}
		c.ReadOnly.Enabled = true
		Tasks{Store: sick, Config: func() config.Maintenance { return c }}.Run(t.Context())
		if len(sick.collected)+len(sick.purged)+len(sick.scrubbed) != 0 {
			t.Error("something was done")
		}
	})
}
