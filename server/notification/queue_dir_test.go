package notification

import (
	"path/filepath"
	"testing"
)

// queueAt returns the queue at a path, and makes the directory above it.
func queueAt(t *testing.T, path string) queueDir {
	t.Helper()
	root, err := openQueues(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return queueDir{root, filepath.Base(path)}
}
