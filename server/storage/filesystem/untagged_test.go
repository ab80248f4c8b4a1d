package filesystem_test

import (
	"context"
	"testing"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// TestAManifestsAgeWithoutATagBeginsWhenItLosesIt moves and deletes tags of manifests that were pushed long ago: whoever is in the middle of
// pulling them by digest has as much time as the operator gave.
func TestAManifestsAgeWithoutATagBeginsWhenItLosesIt(t *testing.T) {
	for name, lose := range map[string]func(t *testing.T, s *filesystem.Store){
		"moved": func(t *testing.T, s *filesystem.Store) { storagetest.NewImage(t, "new", nil).Push(t, s, "a", "v1") },
		"deleted": func(t *testing.T, s *filesystem.Store) {
			if err := s.DeleteTag(context.Background(), storagetest.Repo(t, "a"), storagetest.Tag(t, "v1")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			now := newClock()
			s := open(t, filesystem.Options{Root: t.TempDir(), Now: now.now})
			defer closing(t, s)
			old := storagetest.NewImage(t, "old", nil)
			old.Push(t, s, "a", "v1")
			now.pass(48 * time.Hour)
			lose(t, s)
			if report, v := collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour}); report.ManifestsRemoved != 0 {
				t.Errorf("gone at once: %+v", v[old.Digest])
			}
			now.pass(23 * time.Hour)
			if report, v := collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour}); report.ManifestsRemoved != 0 {
				t.Errorf("gone after 23 hours: %+v", v[old.Digest])
			}
			now.pass(2 * time.Hour)
			if report, v := collect(t, s, storage.CollectOptions{Untagged: 24 * time.Hour}); report.ManifestsRemoved != 1 {
				t.Errorf("still here after 25 hours: %+v", v[old.Digest])
			}
		})
	}
}
