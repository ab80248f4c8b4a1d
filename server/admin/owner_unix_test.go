//go:build unix

package admin

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestForeignDirectory: where others may write, they could put a socket of their own.
func TestForeignDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(filepath.Join(dir, "admin.sock")); !errors.Is(err, errForeign) {
		t.Errorf("open to everybody: %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a directory away")
	}
	if err := os.Chown(dir, 4711, 4711); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(filepath.Join(dir, "admin.sock")); !errors.Is(err, errForeign) {
		t.Errorf("somebody else's: %v", err)
	}
}
