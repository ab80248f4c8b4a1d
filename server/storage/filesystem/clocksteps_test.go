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
