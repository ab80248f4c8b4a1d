package disk

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestOtherLockFile puts something else in the place of the lock file.
func TestOtherLockFile(t *testing.T) {
	for name, plant := range map[string]func(path string) error{
		"a named pipe":        func(path string) error { return syscall.Mkfifo(path, 0o666) },
		"a link out":          func(path string) error { return os.Symlink("/etc/hostname", path) },
		"a link to a pipe":    func(path string) error { return os.Symlink("pipe", path) },
		"a dangling link":     func(path string) error { return os.Symlink("../nowhere", path) },
		"a directory":         func(path string) error { return os.Mkdir(path, 0o700) },
		"a link to a device":  func(path string) error { return os.Symlink("/dev/null", path) },
		"a link to directory": func(path string) error { return os.Symlink(".", path) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o666); err != nil {
				t.Fatal(err)
			}
			if err := plant(filepath.Join(root, "lock")); err != nil {
				t.Fatal(err)
			}
			for _, readOnly := range []bool{false, true} {
				d, err := OpenOS(root, false)
				if err != nil {
					t.Fatal(err)
				}
				err = d.Own(t.Context(), "lock", Claim{ReadOnly: readOnly})
				want := "open lock file: " + filepath.Join(root, "lock") + " is not a regular file: remove it"
				if err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("read-only %t: got %v, want %s", readOnly, err, want)
				}
				d.Close()
			}
		})
	}
}
