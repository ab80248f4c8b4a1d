package disk

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFilesBelongToTheOwnerOfTheirDirectory: files that root makes in directories of another user
// belong to that user, so that the server of that user can write them; others stay with root.
func TestFilesBelongToTheOwnerOfTheirDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const uid = 65534
	root := t.TempDir()
	for _, dir := range []string{"theirs", "own"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(root, "theirs"), uid, uid); err != nil {
		t.Fatal(err)
	}
	d, err := OpenOS(root, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for name, want := range map[string]uint32{"theirs/blob": uid, "own/blob": 0, "blob": 0} {
		f, err := d.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		checkOwner(t, filepath.Join(root, name), want)
	}
	if err := d.Own(t.Context(), "theirs/owner", Claim{}); err != nil {
		t.Fatal(err)
	}
	checkOwner(t, filepath.Join(root, "theirs/owner"), uid)
}

// checkOwner fails the test unless a file belongs to a user.
func checkOwner(t *testing.T, path string, want uint32) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != want {
		t.Errorf("%s belongs to %+v, want uid %d", path, info.Sys(), want)
	}
}
