package trust

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestHandOver verifies that only what root made since, in directories of other users, changes its owner.
func TestHandOver(t *testing.T) {
	tr := newTree(t)
	tr.chown("dir", server, mallory)
	tr.mkdir("dir/theirs")
	tr.chown("dir/theirs", server, server)
	tr.mkdir("dir/root")
	tr.ok(os.WriteFile(tr.at("dir/before"), nil, 0o600))
	tr.ok(os.WriteFile(tr.at("outside"), nil, 0o600))
	since := made(tr, "outside").Add(1)
	for tr.file("probe", 0o600); made(tr, "probe").Before(since); tr.file("probe", 0o600) { // the clock of files is coarse
		tr.ok(os.Remove(tr.at("probe")))
	}
	tr.mkdir("dir/new")
	tr.mkdir("dir/new/new")
	for _, name := range []string{"dir/new/file", "dir/new/new/file", "dir/moved", "dir/theirs/file", "dir/root/file", "secret"} {
		tr.ok(os.WriteFile(tr.at(name), nil, 0o600))
	}
	tr.link("../outside", "dir/link")
	tr.ok(os.Link(tr.at("secret"), tr.at("dir/hard")))

	d, err := OpenRoot(tr.at("dir"))
	tr.ok(err)
	defer d.Close()
	if err := d.HandOver(since); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]uint32{
		"dir":              {server, mallory},
		"dir/new":          {server, mallory},
		"dir/new/file":     {server, mallory},
		"dir/new/new/file": {server, mallory},
		"dir/link":         {0, 0},
		"dir/moved":        {0, 0}, // mallory can have moved it there
		"dir/theirs/file":  {0, 0},
		"dir/before":       {0, 0},
		"dir/root/file":    {0, 0},
		"dir/hard":         {0, 0},
		"outside":          {0, 0},
	} {
		info, err := os.Lstat(filepath.Join(tr.at("."), name))
		st, ok := info.Sys().(*syscall.Stat_t)
		if err != nil || !ok {
			t.Fatal(errors.Join(err, os.ErrInvalid))
		}
		if got := [2]uint32{st.Uid, st.Gid}; got != want {
			t.Errorf("%s belongs to %v, want %v", name, got, want)
		}
	}
}

// made returns when a file was made, or skips the test if the file system does not record it.
func made(tr tree, name string) time.Time {
	tr.t.Helper()
	var st unix.Statx_t
	tr.ok(unix.Statx(unix.AT_FDCWD, tr.at(name), 0, unix.STATX_BTIME, &st))
	if st.Mask&unix.STATX_BTIME == 0 {
		tr.t.Skip("the file system does not record when a file was made")
	}
	return time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
}
