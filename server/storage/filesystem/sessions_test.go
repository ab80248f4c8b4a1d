package filesystem_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// TestIdleUploadsDoNotLockTheirUserOut verifies that sessions which a killed client left behind stop counting against an
// explicit limit long before they are purged, and can still be continued.
func TestIdleUploadsDoNotLockTheirUserOut(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	s := open(t, filesystem.Options{Root: t.TempDir(), UploadsPerUser: 2, UploadWait: time.Millisecond, Now: func() time.Time { return now }})
	defer closing(t, s)
	owner := storage.Owner{Repository: storagetest.Repo(t, "demo"), User: "ci"}
	start := func() (storage.Upload, error) { return s.StartUpload(t.Context(), owner, digest.SHA256) }
	first, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(); err != nil {
		t.Fatal(err)
	}
	if _, err := start(); !errors.Is(err, storage.ErrTooManyUploads) {
		t.Fatalf("a third upload at once: %v, want %v", err, storage.ErrTooManyUploads)
	}
	if err := s.PutBlob(t.Context(), owner, digest.FromString("x"), strings.NewReader("x"), 1); !errors.Is(err, storage.ErrTooManyUploads) {
		t.Fatalf("a third upload in one request: %v, want %v", err, storage.ErrTooManyUploads)
	}
	now = now.Add(20 * time.Second)
	if _, err := start(); err != nil {
		t.Fatalf("an upload after the others went idle: %v", err)
	}
	content := "late, and still welcome"
	if err := s.FinishUpload(t.Context(), owner, first.ID, -1, strings.NewReader(content), int64(len(content)), digest.FromString(content)); err != nil {
		t.Errorf("finish an idle upload: %v", err)
	}
}
