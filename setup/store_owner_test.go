package setup

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFormerStoreIsForgotten verifies that the record in a store that the installation no longer uses does not count
// as a file of the installation, also when no backup names that store any more.
func TestFormerStoreIsForgotten(t *testing.T) {
	m, base := machineOf(t, &fakeHost{}), t.TempDir()
	dir := filepath.Join(base, "packhouse")
	install(t, m, dir, Values{"storage-path": {filepath.Join(base, "first")}})
	install(t, m, dir, Values{"storage-path": {filepath.Join(base, "second")}})
	if err := os.RemoveAll(filepath.Join(dir, BackupDir)); err != nil {
		t.Fatal(err)
	}
	in, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(in.Drift) > 0 {
		t.Errorf("differences of an unchanged installation: %v", in.Drift)
	}
}
