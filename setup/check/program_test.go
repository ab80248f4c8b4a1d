package check

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestFindProgram: what administrators use is found without their PATH too.
func TestFindProgram(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if path, err := FindProgram("packhouse-is-no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%q, %v", path, err)
	}
	for _, place := range systemPlaces {
		entries, _ := os.ReadDir(place)
		for _, e := range entries {
			if _, err := exec.LookPath(place + e.Name()); err != nil {
				continue
			}
			if path, err := FindProgram(e.Name()); err != nil || filepath.Base(path) != e.Name() {
				t.Errorf("%s: %q, %v", e.Name(), path, err)
			}
			return
		}
	}
	t.Skip("no program for administrators is on this machine")
}
