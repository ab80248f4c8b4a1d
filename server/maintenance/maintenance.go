// Package maintenance runs garbage collection, upload purging and scrubs of a store at their
// intervals.
package maintenance

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"packhouse/server/config"
	"packhouse/server/observe"
	"packhouse/server/packview/record"
	"packhouse/server/storage"
)

// firstRun is the earliest time after a start that maintenance begins, so that a server that restarts
// every day still maintains its store, and one that restarts every minute is not kept busy.
const firstRun = 10 * time.Minute

// Tasks are the recurring tasks of a store.
type Tasks struct {
	Store   storage.Store
	Config  func() config.Maintenance // returns the current configuration, so that reloads apply
	Metrics *observe.Metrics
	Log     *slog.Logger
}

// task is a recurring task.
type task struct {
	what  string
	every func(config.Maintenance) time.Duration // 0: never
	do    func(context.Context, config.Maintenance) error
}

// Run runs the tasks, each with its own timer, until ctx is done. A read-only store has none.
func (s Tasks) Run(ctx context.Context) {
	if s.Config().ReadOnly.Enabled {
		return
	}
	var group sync.WaitGroup
	defer group.Wait()
	for _, t := range []task{
		{"collection", func(m config.Maintenance) time.Duration { return m.GC.Interval }, s.collect},
		{"purge", func(m config.Maintenance) time.Duration {
			if !m.UploadPurging.Enabled {
				return 0
			}
			return m.UploadPurging.Interval
		}, s.purge},
		{"scrub", func(m config.Maintenance) time.Duration { return m.Scrub.Interval }, s.scrub},
	} {
		group.Go(func() { s.repeat(ctx, t) })
	}
}

// repeat runs a task at its interval with jitter, so that many servers do not all run it at once.
func (s Tasks) repeat(ctx context.Context, t task) {
	first := true
	for {
		every := t.every(s.Config())
		wait := jitter(every)
		if first {
			wait = firstWait(every)
		}
		if every <= 0 {
			wait = time.Minute // a reload may enable it
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if every <= 0 {
			continue
		}
		first = false
		m := s.Config()
		err := t.do(ctx, m)
		if errors.Is(err, storage.ErrElsewhere) {
			s.Log.LogAttrs(ctx, slog.LevelDebug, "another process scrubs the store",
				slog.String("what", t.what))
			continue
		}
		if err != nil && ctx.Err() == nil {
			s.Metrics.Upkeep.WithLabelValues(t.what, "failed").Inc()
			s.Log.LogAttrs(ctx, slog.LevelError, "maintenance of the store failed",
				slog.String("what", t.what), slog.Any("error", err))
		} else if err == nil {
			s.Metrics.Upkeep.WithLabelValues(t.what, "done").Inc()
		}
	}
}

// jitter returns d, randomly up to 5% shorter or longer.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// firstWait returns the time until the first run, at most one interval.
func firstWait(every time.Duration) time.Duration {
	return min(every, firstRun+time.Duration(rand.Float64()*float64(firstRun)))
}

func (s Tasks) collect(ctx context.Context, m config.Maintenance) error {
	r, err := record.Collect(ctx, s.Store, storage.CollectOptions{Window: m.GC.Window, Untagged: m.GC.Untagged}, nil)
	if err != nil {
		return err
	}
	s.Metrics.Freed.Add(float64(r.BytesFreed))
	s.Log.InfoContext(ctx, "garbage collected", "blobs", r.BlobsRemoved, "manifests", r.ManifestsRemoved,
		"bytes", r.BytesFreed, "kept", r.BlobsKept, "skipped", r.Skipped)
	for _, p := range r.Problems {
		s.Log.WarnContext(ctx, "garbage collection found a problem", "what", p)
	}
	return nil
}

func (s Tasks) purge(ctx context.Context, m config.Maintenance) error {
	r, err := s.Store.PurgeUploads(ctx, m.UploadPurging.Age, m.UploadPurging.DryRun)
	if err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "abandoned uploads removed",
		"removed", r.Removed, "kept", r.Kept, "bytes", r.Bytes, "dry_run", r.DryRun)
	return nil
}

func (s Tasks) scrub(ctx context.Context, m config.Maintenance) error {
	r, err := s.Store.Scrub(ctx, storage.ScrubOptions{Rate: m.Scrub.Rate}, func(d storage.Damage) {
		s.Metrics.Damaged.Inc()
		s.Log.ErrorContext(ctx, "stored content is damaged",
			"digest", d.Digest, "kind", d.Kind, "what", d.What, "repositories", d.Repositories)
	})
	if err != nil {
		return err
	}
	s.Log.InfoContext(ctx, "store scrubbed",
		"blobs", r.Blobs, "manifests", r.Manifests, "bytes", r.Bytes, "damaged", len(r.Damaged))
	return nil
}
