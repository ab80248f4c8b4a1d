package packs

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestStagingFollowsNoPlantedLink replaces folders of a staging folder by links, as the owner of the
// target folder could while a pack is written.
func TestStagingFollowsNoPlantedLink(t *testing.T) {
	for _, replaced := range []string{"", "pack"} {
		outside, dir := t.TempDir(), t.TempDir()
		s, err := stage(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.close()
		place := filepath.Join(dir, s.name, replaced)
		if err := os.Rename(place, filepath.Join(dir, "moved")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(outside, "pack"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, place); err != nil {
			t.Fatal(err)
		}
		if err := extractFile(s.pack, "pack.json", 0o644, bytes.NewReader([]byte("{}"))); err != nil {
			t.Fatal(err)
		}
		if f := failureOf(t, publishError(s)); f.Code != CodeFolder {
			t.Errorf("%q replaced: %s: %s", replaced, f.Code, f.What)
		}
		s.close()
		names, err := filepath.Glob(filepath.Join(outside, "*", "*"))
		if _, failed := os.Stat(filepath.Join(outside, "pack")); err != nil || failed != nil || len(names) > 0 {
			t.Errorf("%q replaced: the link's target has %q: %v, %v", replaced, names, err, failed)
		}
	}
}

func publishError(s *staging) error {
	_, err := s.publish("hello-1.2.3")
	return err
}
