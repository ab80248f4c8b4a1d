package s3

import (
	"errors"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestAbandonedUploadsDoNotLockTheirUserOut verifies that sessions which a crashed job left in the bucket stop counting
// against an explicit limit after a short time, without garbage collection or a restart.
func TestAbandonedUploadsDoNotLockTheirUserOut(t *testing.T) {
	now := time.Now()
	b := newMemoryBucket()
	s := openMemory(t, b, func(o *Options) {
		o.UploadsPerUser, o.UploadWait, o.Now = 2, time.Millisecond, func() time.Time { return now }
	})
	defer s.Close()
	owner := storage.Owner{Repository: storagetest.Repo(t, "demo"), User: "ci"}
	start := func() error {
		_, err := s.StartUpload(t.Context(), owner, digest.SHA256)
		return err
	}
	for range 2 {
		if err := start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := start(); !errors.Is(err, storage.ErrTooManyUploads) {
		t.Fatalf("a third upload at once: %v, want %v", err, storage.ErrTooManyUploads)
	}
	now = now.Add(20 * time.Second)
	if err := start(); err != nil {
		t.Fatalf("an upload after the job crashed: %v", err)
	}
	// A new process, as after a restart, finds the sessions in the bucket and counts none of them.
	if len(b.keys(uploadsDir)) != 3 {
		t.Fatalf("the sessions are not in the bucket: %v", b.keys(uploadsDir))
	}
	s = openMemory(t, b, func(o *Options) { o.UploadsPerUser, o.UploadWait = 1, time.Millisecond })
	defer s.Close()
	if err := start(); err != nil {
		t.Fatalf("an upload after a restart: %v", err)
	}
}
