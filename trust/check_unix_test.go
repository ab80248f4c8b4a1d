//go:build unix

package trust

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Users of the tests. They need no account.
const (
	mallory = 50001
	server  = 50002
)

// tree is a directory that only root can write, with a safe file in it.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make files of several users")
	}
	tr := tree{t, t.TempDir()}
	tr.mkdir("dir")
	tr.file("dir/file", 0o644)
	return tr
}

func (tr tree) at(name string) string { return filepath.Join(tr.root, name) }

func (tr tree) ok(err error) {
	tr.t.Helper()
	if err != nil {
		tr.t.Fatalf("prepare: %v", err)
	}
}

func (tr tree) mkdir(name string) {
	tr.t.Helper()
	tr.ok(os.Mkdir(tr.at(name), 0o755))
	tr.ok(os.Chmod(tr.at(name), 0o755)) // whatever the umask is
}

func (tr tree) file(name string, mode os.FileMode) {
	tr.t.Helper()
	tr.ok(os.WriteFile(tr.at(name), []byte("content"), 0o600))
	tr.ok(os.Chmod(tr.at(name), mode))
}

func (tr tree) chown(name string, uid, gid int) {
	tr.t.Helper()
	tr.ok(os.Lchown(tr.at(name), uid, gid))
}

func (tr tree) chmod(name string, mode os.FileMode) {
	tr.t.Helper()
	tr.ok(os.Chmod(tr.at(name), mode))
}
func (tr tree) link(target, name string) { tr.t.Helper(); tr.ok(os.Symlink(target, tr.at(name))) }

func TestCheck(t *testing.T) {
	root, allowed := Policy{}, Policy{Users: []int{server}, Groups: []int{server}}
	for _, tc := range []struct {
		name   string
		policy Policy
		path   string
		plant  func(tree)
		unsafe string // the path at fault, below the root of the tree; empty: none
		reason string
	}{
		{"safe", root, "dir/file", func(tree) {}, "", ""},
		{"missing", root, "dir/none/below", func(tree) {}, "", ""},
		{"file of another user", root, "dir/file", func(tr tree) { tr.chown("dir/file", mallory, 0) }, "dir/file", "belongs to another user"},
		{"directory of another user", root, "dir/file", func(tr tree) { tr.chown("dir", mallory, 0) }, "dir", "belongs to another user"},
		{"missing below another user", root, "dir/none", func(tr tree) { tr.chown("dir", mallory, 0) }, "dir", "belongs to another user"},
		{"file of all", root, "dir/file", func(tr tree) { tr.chmod("dir/file", 0o666) }, "dir/file", "all users"},
		{"directory of all", root, "dir/file", func(tr tree) { tr.chmod("dir", 0o777) }, "dir", "all users"},
		{"sticky above", root, "dir/file", func(tr tree) { tr.chmod("dir", 0o777|os.ModeSticky) }, "", ""},
		{"sticky itself", root, "dir", func(tr tree) { tr.chmod("dir", 0o777|os.ModeSticky) }, "dir", "all users"},
		{"sticky, file of another user", root, "dir/file", func(tr tree) {
			tr.chmod("dir", 0o777|os.ModeSticky)
			tr.chown("dir/file", mallory, 0)
		}, "dir/file", "belongs"},
		{"group of another", root, "dir/file", func(tr tree) {
			tr.chown("dir", 0, mallory)
			tr.chmod("dir", 0o775)
		}, "dir", "group"},
		{"link of root", root, "link", func(tr tree) { tr.link("dir/file", "link") }, "", ""},
		{"link of another user", root, "dir/link", func(tr tree) {
			tr.chmod("dir", 0o777|os.ModeSticky)
			tr.link("file", "dir/link")
			tr.chown("dir/link", mallory, 0)
		}, "dir/link", "symbolic link"},
		{"link into a directory of another user", root, "link", func(tr tree) {
			tr.link("dir/file", "link")
			tr.chown("dir", mallory, 0)
		}, "dir", "belongs"},
		{"absolute link into a directory of all", root, "link", func(tr tree) {
			tr.link(tr.at("dir/file"), "link")
			tr.chmod("dir", 0o777)
		}, "dir", "all users"},
		{"link that goes up", root, "dir/link", func(tr tree) { tr.link("../dir/file", "dir/link") }, "", ""},
		{"allowed user", allowed, "dir/file", func(tr tree) {
			tr.chown("dir", server, server)
			tr.chown("dir/file", server, server)
		}, "", ""},
		{"allowed group", allowed, "dir/file", func(tr tree) {
			tr.chown("dir", 0, server)
			tr.chmod("dir", 0o775)
		}, "", ""},
		{"other user below an allowed one", allowed, "dir/file", func(tr tree) {
			tr.chown("dir", server, server)
			tr.chown("dir/file", mallory, 0)
		}, "dir/file", "belongs"},
		{"link below an allowed user", allowed, "dir/link", func(tr tree) {
			tr.link("file", "dir/link")
			tr.chown("dir", server, server)
		}, "dir/link", "symbolic link"},
		{"any owner", Policy{AnyOwner: true}, "dir/file", func(tr tree) { tr.chown("dir", mallory, mallory) }, "", ""},
		{"any owner, writable by all", Policy{AnyOwner: true}, "dir/file", func(tr tree) { tr.chmod("dir/file", 0o646) }, "dir/file", "all users"},
		{"any owner, links of Kubernetes", Policy{AnyOwner: true}, "dir/key", func(tr tree) {
			tr.mkdir("dir/..2026")
			tr.file("dir/..2026/key", 0o640)
			tr.link("..2026", "dir/..data")
			tr.link("..data/key", "dir/key")
			tr.chown("dir/..data", mallory, mallory)
			tr.chown("dir/key", mallory, mallory)
		}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTree(t)
			tc.plant(tr)
			err := tc.policy.Check(tr.at(tc.path))
			fault := Unsafe(err)
			switch {
			case tc.unsafe == "" && err != nil:
				t.Fatalf("Check: %v, want nil", err)
			case tc.unsafe == "":
			case fault == nil:
				t.Fatalf("Check: %v, want an Error for %s", err, tc.unsafe)
			case fault.Path != tr.at(tc.unsafe) || !strings.Contains(fault.Reason, tc.reason) || fault.Fix == "" || fault.Owner == "":
				t.Errorf("Check: %+v, want %s: %s", fault, tc.unsafe, tc.reason)
			}
		})
	}
}

func TestCheckLinksInCircles(t *testing.T) {
	tr := newTree(t)
	tr.link("b", "a")
	tr.link("a", "b")
	if err := (Policy{}).Check(tr.at("a")); err == nil {
		t.Error("Check of a link to itself: nil, want an error")
	}
}

func TestErrorNamesPathOwnerAndMode(t *testing.T) {
	tr := newTree(t)
	tr.chown("dir", mallory, 0)
	tr.chmod("dir", 0o2755|os.ModeSetgid)
	err := (Policy{}).Check(tr.at("dir/file"))
	for _, want := range []string{tr.at("dir"), "uid 50001", "2755"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check: %v, want it to contain %q", err, want)
		}
	}
}

func TestPrivateGroup(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("the test knows the groups of root only")
	}
	if privateGroup(mallory, 0) {
		t.Error("a group of another number counts as root's private group")
	}
	if privateGroup(0, mallory) != privateGroup(0, 0) {
		t.Error("root's group counts differently for other users")
	}
}

func TestLstat(t *testing.T) {
	for _, tc := range []struct {
		name  string
		plant func(tree)
		fault bool
	}{
		{"file", func(tree) {}, false},
		{"link itself", func(tr tree) {
			tr.ok(os.Remove(tr.at("dir/file")))
			tr.link("/etc/passwd", "dir/file")
		}, false},
		{"link of root above", func(tr tree) {
			tr.ok(os.Rename(tr.at("dir"), tr.at("real")))
			tr.link("real", "dir")
		}, false},
		{"link above in a directory of another user", func(tr tree) {
			tr.ok(os.Rename(tr.at("dir"), tr.at("real")))
			tr.link("real", "dir")
			tr.chown(".", mallory, mallory)
		}, true},
		{"hard link", func(tr tree) { tr.ok(os.Link(tr.at("dir/file"), tr.at("second"))) }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTree(t)
			tc.plant(tr)
			if info, err := Lstat(tr.at("dir/file")); (Unsafe(err) != nil) != tc.fault || err == nil && info.Name() != "file" {
				t.Errorf("Lstat: %v, want an Error: %t", err, tc.fault)
			}
		})
	}
}
