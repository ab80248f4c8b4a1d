package s3

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// slowBucket takes its time with one write, and has something happen meanwhile.
type slowBucket struct {
	*memoryBucket
	key       string
	meanwhile func()
}

func (b *slowBucket) put(ctx context.Context, key string, body []byte, c condition) (string, error) {
	if key == b.key && b.meanwhile != nil {
		do := b.meanwhile
		b.meanwhile = nil
		do()
	}
	return b.memoryBucket.put(ctx, key, body, c)
}

// TestAPushThatTakesLongerThanTheWindow writes a manifest so slowly that what it held at its beginning has become old enough for a collection,
// which does not know of the manifest yet.
func TestAPushThatTakesLongerThanTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		image := storagetest.NewImage(t, "slow", nil)
		b := &slowBucket{memoryBucket: newMemoryBucket(), key: blobKey(image.Digest)}
		b.clock = time.Now
		of := func(bucket bucket) *Store {
			s := newStore(t.Context(), bucket, Options{Config: config.S3Storage{Bucket: "b"}, Window: window, Settle: time.Minute, Now: time.Now})
			s.traits = Traits{true, true, true, true, true, true}
			close(s.indexed)
			return s
		}
		pusher, collector := of(b), of(b.memoryBucket)
		var removed int
		// A collection is on when the push begins, so it looks at markers from the start.
		told, err := collector.announce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b.meanwhile = func() {
			told.end()
			time.Sleep(window + time.Minute)
			r, err := collector.Collect(t.Context(), storage.CollectOptions{}, nil)
			if err != nil || r.Skipped != "" {
				t.Errorf("collect: %+v, %v", r, err)
			}
			removed = r.BlobsRemoved
		}
		err = image.TryPush(t, pusher, "a", "v1")
		if removed != 2 {
			t.Errorf("the collection removed %d blobs, and was to remove both", removed)
		}
		if err == nil {
			if err := image.TryCheck(t, collector, "a", "v1"); err != nil {
				t.Errorf("acknowledged and lost: %v", err)
			}
		}
		// The client pushes again, as it would.
		image.Push(t, pusher, "a", "v1")
		if err := image.TryCheck(t, collector, "a", "v1"); err != nil {
			t.Error(err)
		}
	})
}
