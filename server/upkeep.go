package server

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
)

// firstUpkeep is the earliest time after a start that upkeep begins, so that a server that restarts
// every day still maintains its store, and one that restarts every minute is not kept busy.
const firstUpkeep = 10 * time.Minute

// chore is a recurring task.
type chore struct {
	what  string
	every func(config.Maintenance) time.Duration // 0: never
	do    func(context.Context, config.Maintenance) error
}

// startUpkeep starts the chores of the store, each with its own timer. They read the configuration
// every time, so reloads apply to them.
func (s *Server) startUpkeep(ctx context.Context, group *sync.WaitGroup) {
	if s.current.Load().config.Storage.Maintenance.ReadOnly.Enabled {
		return
	}
	for _, c := range []chore{
		{"collection", func(m config.Maintenance) time.Duration { return m.GC.Interval }, s.collect},
		{"purge", func(m config.Maintenance) time.Duration {
			if !m.UploadPurging.Enabled {
				return 0
			}
			return m.UploadPurging.Interval
		}, s.purge},
		{"scrub", func(m config.Maintenance) time.Duration { return m.Scrub.Interval }, s.scrub},
	} {
		group.Go(func() { s.repeat(ctx, c) })
	}
}

// repeat runs a chore at its interval with jitter, so that many servers do not all run it at once.
func (s *Server) repeat(ctx context.Context, c chore) {
	first := true
	for {
		every := c.every(s.current.Load().config.Storage.Maintenance)
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
		m := s.current.Load().config.Storage.Maintenance
		err := c.do(ctx, m)
		if errors.Is(err, storage.ErrElsewhere) {
			s.log.LogAttrs(ctx, slog.LevelDebug, "another process looks after the store", slog.String("what", c.what))
			continue
		}
		if err != nil && ctx.Err() == nil {
			s.metrics.Upkeep.WithLabelValues(c.what, "failed").Inc()
			s.log.LogAttrs(ctx, slog.LevelError, "upkeep of the store failed", slog.String("what", c.what), slog.Any("error", err))
		} else if err == nil {
			s.metrics.Upkeep.WithLabelValues(c.what, "done").Inc()
		}
	}
}

// jitter returns d, randomly up to 5% shorter or longer.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// firstWait returns the time until the first run, at most one interval.
func firstWait(every time.Duration) time.Duration {
	return min(every, firstUpkeep+time.Duration(rand.Float64()*float64(firstUpkeep)))
}

func (s *Server) collect(ctx context.Context, m config.Maintenance) error {
	r, err := Collect(ctx, s.store, storage.CollectOptions{Window: m.GC.Window, Untagged: m.GC.Untagged}, nil)
	if err != nil {
		return err
	}
	s.metrics.Freed.Add(float64(r.BytesFreed))
	s.log.InfoContext(ctx, "garbage collected", "blobs", r.BlobsRemoved, "manifests", r.ManifestsRemoved, "bytes", r.BytesFreed, "kept", r.BlobsKept, "skipped", r.Skipped)
	for _, p := range r.Problems {
		s.log.WarnContext(ctx, "collection found something odd", "what", p)
	}
	return nil
}

func (s *Server) purge(ctx context.Context, m config.Maintenance) error {
	r, err := s.store.PurgeUploads(ctx, m.UploadPurging.Age, m.UploadPurging.DryRun)
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "abandoned uploads removed", "removed", r.Removed, "kept", r.Kept, "bytes", r.Bytes, "dry_run", r.DryRun)
	return nil
}

func (s *Server) scrub(ctx context.Context, m config.Maintenance) error {
	r, err := s.store.Scrub(ctx, storage.ScrubOptions{Rate: m.Scrub.Rate}, func(d storage.Damage) {
		s.metrics.Damaged.Inc()
		s.log.ErrorContext(ctx, "stored content is damaged", "digest", d.Digest, "kind", d.Kind, "what", d.What, "repositories", d.Repositories)
	})
	if err != nil {
		return err
	}
	s.log.InfoContext(ctx, "store scrubbed", "blobs", r.Blobs, "manifests", r.Manifests, "bytes", r.Bytes, "damaged", len(r.Damaged))
	return nil
}
