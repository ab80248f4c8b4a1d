package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// opened returns the path that the kernel opens.
func opened(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_PATH, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
}

// newLinks returns a tree with links of root: in, to a directory two levels down, up, whose target
// leads through in and "..", and root.
func newLinks(t *testing.T) tree {
	tr := newTree(t)
	tr.mkdir("far")
	tr.mkdir("far/sub")
	tr.file("far/file", 0o600)
	tr.file("file", 0o600)
	tr.link("far/sub", "in")
	tr.link("in/../file", "up")
	tr.link(tr.at("in")+"/../sub/..", "dir/up")
	tr.link(".", "self")
	tr.link("/", "root")
	return tr
}

// TestResolveAsKernel compares the path that is checked with the path that the kernel opens.
func TestResolveAsKernel(t *testing.T) {
	tr := newLinks(t)
	t.Chdir(tr.at("in"))
	t.Setenv("PWD", tr.at("in")) // as a shell sets it
	for _, path := range []string{
		"../file", "..", "../..", ".", "./../sub", "../../in/../file",
		tr.at("file"), tr.root + "/in/../file", tr.root + "/in/..", tr.root + "/in/../..", tr.root + "/up",
		tr.root + "/dir/up", tr.root + "/dir/up/file", tr.root + "/dir/up/../file", tr.root + "/in/./..//file",
		tr.root + "/self/in/../file", tr.root + "/self", tr.root + "/root", tr.root + "/root/..", "/../.." + tr.at("file"),
		tr.root + "/dir/../in/../file",
	} {
		want, err := opened(path)
		tr.ok(err)
		if got, err := (Policy{}).Resolve(path); err != nil || got != want {
			t.Errorf("Resolve %s: %q, %v, want %s, which the kernel opens", path, got, err, want)
		}
		if got, err := Abs(path); err != nil || filepath.Clean(got) != got {
			t.Errorf("Abs %s: %q, %v", path, got, err)
		} else if got, err := opened(got); err != nil || got != want {
			t.Errorf("Abs %s leads to %q, %v, want %s", path, got, err, want)
		}
	}
	for path, want := range map[string]error{
		tr.root + "/none/../file": fs.ErrNotExist, tr.root + "/file/../file": syscall.ENOTDIR,
	} {
		if _, err := (Policy{}).Resolve(path); !errors.Is(err, want) {
			t.Errorf("Resolve %s: %v, want %v, as the kernel", path, err, want)
		}
	}
	if got, err := Abs(tr.root + "/in/../none/../file"); err != nil || got != tr.at("far/file") {
		t.Errorf("Abs of a path with .. after a missing directory: %q, %v", got, err)
	}
	if got, err := Abs("file..old"); err != nil || got != tr.at("in/file..old") {
		t.Errorf("Abs of a path without ..: %q, %v", got, err)
	}
}

// TestFilesOfOthersThroughLinks opens files of another user, who cannot be seen in the text of the path.
func TestFilesOfOthersThroughLinks(t *testing.T) {
	tr := newLinks(t)
	tr.chown("far", mallory, mallory)
	tr.chown("far/sub", mallory, mallory)
	tr.chown("far/file", mallory, mallory)
	t.Chdir(tr.at("in"))
	t.Setenv("PWD", tr.at("in"))
	for _, path := range []string{tr.root + "/in/../file", tr.root + "/up", tr.root + "/dir/up/file", "../file"} {
		for name, open := range map[string]func() error{
			"Check":      func() error { return Policy{}.Check(path) },
			"CheckInput": func() error { return CheckInput(path) },
			"CheckLog":   func() error { return CheckLog(path) },
			"OpenFile":   func() error { return closing((Policy{}).OpenFile(path)) },
			"OpenLinked": func() error { return closing((Policy{}).OpenLinked(path)) },
			"OpenLog":    func() error { return closing(OpenLog(path, 0o600)) },
			"OpenLog new": func() error {
				return closing(OpenLog(tr.root+"/in/../new", 0o600))
			},
			"OpenDir": func() error {
				_, err := (Policy{}).OpenDir(path + "/..")
				return err
			},
		} {
			if err := open(); Unsafe(err) == nil && !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("%s %s: %v, want an Error", name, path, err)
			}
		}
	}
	if _, err := os.Lstat(tr.at("far/new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made in the directory of another user: %v", err)
	}
	// A link of mallory on the way decides where ".." leads.
	tr.ok(os.Remove(tr.at("far/sub")))
	tr.link(tr.at("dir"), "far/sub")
	tr.ok(os.Lchown(tr.at("far/sub"), mallory, mallory))
	if _, err := Abs(tr.root + "/in/../file"); Unsafe(err) == nil {
		t.Errorf("Abs through a link of another user: %v, want an Error", err)
	}
	if err := (Policy{}).Check(tr.root + "/in/../file"); Unsafe(err) == nil {
		t.Errorf("Check through a link of another user: %v, want an Error", err)
	}
}

func closing(f *os.File, err error) error {
	if err == nil {
		_ = f.Close()
	}
	return err
}
