package filesystem_test

import (
	"context"
	"testing"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// TestCollectWaitsAfterAClockStep steps the clock forward after a push without a manifest: collection removes
// the blob only after it was left alone for a window by the uptime, too.
func TestCollectWaitsAfterAClockStep(t *testing.T) {
	ctx, now, up := context.Background(), newClock(), newClock()
	begin := up.now()
	s, err := filesystem.OpenDisk(ctx, inmemory.NewDisk(inmemory.DiskOptions{Now: now.now}), filesystem.Options{
		Now: now.now, Uptime: func() time.Duration { return up.now().Sub(begin) },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	pass := func(d time.Duration) { now.pass(d); up.pass(d) }
	storagetest.PushBlob(t, s, "team/a", []byte("waits for its manifest"))
	collect := func(want int) {
		t.Helper()
		if r, err := s.Collect(ctx, storage.CollectOptions{}, nil); err != nil || r.BlobsRemoved != want {
			t.Errorf("removed %d, %v; want %d: %s", r.BlobsRemoved, err, want, r.Skipped)
		}
	}
	pass(time.Minute)
	now.pass(24 * time.Hour)
	collect(0)
	pass(time.Hour)
	collect(0)
	pass(3 * time.Hour)
	collect(1)
}

// TestCollectWaitsAfterAClockStepAndARestart restarts the store after a step of the clock, which a collection
// noticed or not. The next run waits, too.
func TestCollectWaitsAfterAClockStepAndARestart(t *testing.T) {
	for name, collects := range map[string]bool{"noticed": true, "not noticed yet": false} {
		t.Run(name, func(t *testing.T) {
			ctx, now, up := context.Background(), newClock(), newClock()
			d := inmemory.NewDisk(inmemory.DiskOptions{Now: now.now})
			start := func() *filesystem.Store {
				begin := up.now()
				s, err := filesystem.OpenDisk(ctx, d, filesystem.Options{
					Now: now.now, Uptime: func() time.Duration { return up.now().Sub(begin) },
				})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			collect := func(s *filesystem.Store, want int) {
				t.Helper()
				if r, err := s.Collect(ctx, storage.CollectOptions{}, nil); err != nil || r.BlobsRemoved != want {
					t.Errorf("removed %d, %v; want %d: %s", r.BlobsRemoved, err, want, r.Skipped)
				}
			}
			s := start()
			storagetest.PushBlob(t, s, "team/a", []byte("waits for its manifest"))
			now.pass(24 * time.Hour)
			if collects {
				collect(s, 0)
			}
			closing(t, s)
			for range 2 {
				s = start()
				collect(s, 0)
				closing(t, s)
			}
			now.pass(3 * time.Hour)
			up.pass(3 * time.Hour)
			s = start()
			collect(s, 1)
			closing(t, s)
		})
	}
}
