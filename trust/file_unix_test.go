//go:build unix

package trust

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadFile(t *testing.T) {
	for _, tc := range []struct {
		name   string
		plant  func(tree)
		reason string // of the Error; empty: the content is returned
	}{
		{"safe", func(tree) {}, ""},
		{"other owner", func(tr tree) { tr.chown("dir/file", mallory, 0) }, "belongs"},
		{"writable by all", func(tr tree) { tr.chmod("dir/file", 0o666) }, "all users"},
		{"symbolic link", func(tr tree) {
			tr.ok(os.Rename(tr.at("dir/file"), tr.at("dir/other")))
			tr.link("other", "dir/file")
		}, "symbolic link"},
		{"hard link", func(tr tree) { tr.ok(os.Link(tr.at("dir/file"), tr.at("dir/other"))) }, "hard links"},
		{"named pipe", func(tr tree) {
			tr.ok(os.Remove(tr.at("dir/file")))
			tr.ok(syscall.Mkfifo(tr.at("dir/file"), 0o600))
		}, "named pipe"},
		{"device", func(tr tree) {
			tr.ok(os.Remove(tr.at("dir/file")))
			if err := syscall.Mknod(tr.at("dir/file"), syscall.S_IFCHR|0o600, 1<<8|3); err != nil { // null
				tr.t.Skipf("make a device: %v", err)
			}
		}, "device"},
		{"link in a directory of the server", func(tr tree) {
			tr.mkdir("dir/sub")
			tr.ok(os.Rename(tr.at("dir/file"), tr.at("dir/sub/file")))
			tr.chown("dir", server, server)
			tr.link("sub/file", "dir/file")
		}, "symbolic link"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTree(t)
			tc.plant(tr)
			data, err := (Policy{Users: []int{server}}).ReadFile(tr.at("dir/file"), 1<<10)
			fault := Unsafe(err)
			switch {
			case tc.reason == "" && (err != nil || string(data) != "content"):
				t.Fatalf("ReadFile: %q, %v", data, err)
			case tc.reason != "" && (fault == nil || !strings.Contains(fault.Reason, tc.reason)):
				t.Fatalf("ReadFile: %v, want an Error: %s", err, tc.reason)
			}
		})
	}
}

// TestOpenLinked opens links of root to what is not a regular file. The fix must not act on the target.
func TestOpenLinked(t *testing.T) {
	tr := newTree(t)
	tr.link("dir/file", "to-file")
	tr.link("dir", "to-dir")
	tr.link("/dev/null", "to-device")
	tr.link("to-device", "to-link")
	f, err := Policy{}.OpenLinked(tr.at("to-file"))
	tr.ok(err)
	tr.ok(f.Close())
	_, err = Policy{}.OpenLinked(tr.at("to-dir"))
	if !errors.Is(err, syscall.EISDIR) || !strings.Contains(err.Error(), tr.at("to-dir")+":") {
		t.Errorf("OpenLinked of a link to a directory: %v", err)
	}
	for _, name := range []string{"to-device", "to-link"} {
		_, err := Policy{}.OpenLinked(tr.at(name))
		fault := Unsafe(err)
		if fault == nil || fault.Path != tr.at(name) || strings.Contains(fault.Fix, "/dev/null") ||
			!strings.Contains(fault.Reason, "a symbolic link to a device") {
			t.Errorf("OpenLinked of a link to a device: %+v", fault)
		}
	}
	if err := (Policy{}).Check(tr.at("to-device")); err != nil {
		t.Errorf("Check of a link to a device that all users may write: %v", err)
	}
}

func TestReadFileLimit(t *testing.T) {
	tr := newTree(t)
	tr.file("sparse", 0o600)
	tr.ok(os.Truncate(tr.at("sparse"), 1<<40))
	if allocated := testing.AllocsPerRun(1, func() {
		if _, err := (Policy{}).ReadFile(tr.at("sparse"), 1<<24); err == nil {
			t.Error("ReadFile of 1 TiB with a limit of 16 MiB: nil, want an error")
		}
	}); allocated > 100 {
		t.Errorf("ReadFile of a file above its limit: %.0f allocations", allocated)
	}
	if _, err := (Policy{}).ReadFile(tr.at("dir/file"), 3); err == nil {
		t.Error("ReadFile of 7 bytes with a limit of 3: nil, want an error")
	}
}

// TestDirStaysInPlace replaces a directory by a link after it was opened: everything must still happen in the opened one.
func TestDirStaysInPlace(t *testing.T) {
	tr := newTree(t)
	tr.mkdir("system")
	tr.file("system/file", 0o600)
	tr.chown("dir", server, server)
	d, err := Policy{Users: []int{server}}.OpenDir(tr.at("dir"))
	tr.ok(err)
	defer d.Close()
	tr.ok(os.Rename(tr.at("dir"), tr.at("moved")))
	tr.link("system", "dir")
	f, err := d.Open("new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	tr.ok(err)
	tr.ok(f.Close())
	tr.ok(d.Rename("new", d, "file"))
	tr.ok(d.Mkdir("sub", 0o755))
	tr.ok(d.Sync())
	tr.ok(d.RemoveAll("sub"))
	tr.ok(d.Remove("file"))
	if data, err := os.ReadFile(tr.at("system/file")); err != nil || string(data) != "content" {
		t.Errorf("system/file: %q, %v, want it untouched", data, err)
	}
	if entries, err := os.ReadDir(tr.at("moved")); err != nil || len(entries) != 0 {
		t.Errorf("moved: %v, %v, want it empty", entries, err)
	}
}

func TestRemoveAllKeepsTargetsOfLinks(t *testing.T) {
	tr := newTree(t)
	tr.mkdir("gone")
	tr.mkdir("gone/sub")
	tr.file("gone/sub/file", 0o600)
	tr.link(tr.at("dir"), "gone/sub/link")
	d, err := Policy{}.OpenDir(tr.root)
	tr.ok(err)
	defer d.Close()
	tr.ok(d.RemoveAll("gone"))
	tr.ok(d.RemoveAll("gone"))
	if _, err := os.Lstat(tr.at("gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("gone: %v, want it removed", err)
	}
	if _, err := os.Stat(tr.at("dir/file")); err != nil {
		t.Errorf("dir/file: %v, want it kept", err)
	}
}

func TestOpenEachRefusesLinks(t *testing.T) {
	tr := newTree(t)
	tr.link("dir", "link")
	root, err := os.Open(tr.root)
	tr.ok(err)
	defer root.Close()
	for name, want := range map[string]bool{"dir/file": true, "link/file": false, "../dir/file": false, "dir/../../x": false} {
		fd, err := openEach(int(root.Fd()), name, unix.O_RDONLY, 0)
		if (err == nil) != want {
			t.Errorf("openEach %s: %v, want success %v", name, err, want)
		}
		if err == nil {
			_ = unix.Close(fd)
		}
	}
}

func TestOpenLog(t *testing.T) {
	tr := newTree(t)
	tr.mkdir("log")
	tr.link("../dir/file", "log/audit")
	f, err := OpenLog(tr.at("log/audit"), 0o600)
	if err != nil {
		t.Fatalf("a link of root in a directory of root: %v", err)
	}
	tr.ok(f.Close())
	tr.chown("log", mallory, mallory)
	if _, err := OpenLog(tr.at("log/audit"), 0o600); err == nil {
		t.Error("a link in a directory of another user is followed")
	}
}

func TestOpenLogRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		plant  func(tree)
		reason string
	}{
		{"named pipe", func(tr tree) { tr.ok(syscall.Mkfifo(tr.at("log"), 0o600)) }, "named pipe"},
		{"file of another user", func(tr tree) { tr.file("log", 0o600); tr.chown("log", mallory, mallory) }, "belongs"},
		{"directory of another user", func(tr tree) { tr.chown(".", mallory, mallory) }, "belongs"},
		{"link of another user", func(tr tree) {
			tr.chmod(".", 0o777|os.ModeSticky)
			tr.link("dir/file", "log")
			tr.chown("log", mallory, mallory)
		}, "symbolic link"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTree(t)
			tc.plant(tr)
			f, err := OpenLog(tr.at("log"), 0o600)
			if err == nil {
				_ = f.Close()
			}
			if fault := Unsafe(err); fault == nil || !strings.Contains(fault.Reason, tc.reason) {
				t.Errorf("OpenLog: %v, want an Error: %s", err, tc.reason)
			}
		})
	}
}

func TestReadConfigured(t *testing.T) {
	tr := newTree(t)
	tr.ok(syscall.Mkfifo(tr.at("pipe"), 0o600))
	tr.link("dir/file", "link")
	tr.chown("link", mallory, mallory)
	if data, err := ReadConfigured(tr.at("link"), 1<<10); err != nil || string(data) != "content" {
		t.Errorf("a link as in mounts: %q, %v", data, err)
	}
	if _, err := ReadConfigured(tr.at("pipe"), 1<<10); Unsafe(err) == nil {
		t.Errorf("a named pipe: %v, want an Error", err)
	}
	tr.chmod(".", 0o777|os.ModeSticky)
	if _, err := ReadConfigured(tr.at("link"), 1<<10); Unsafe(err) == nil || !Unsafe(err).Planted {
		t.Errorf("a link of another user in a directory of all: %v, want an Error", err)
	}
	tr.chown("link", 0, 0)
	if _, err := ReadConfigured(tr.at("link"), 1<<10); err != nil {
		t.Errorf("a link of root in a directory of all: %v", err)
	}
}
