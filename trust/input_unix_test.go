//go:build unix

package trust

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadInput(t *testing.T) {
	dir := t.TempDir()
	file, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := ReadInput(file, 7); err != nil || string(data) != "content" {
		t.Errorf("a file: %q, %v", data, err)
	}
	if _, err := ReadInput(file, 6); err == nil {
		t.Error("a file over the limit was read")
	}
	if _, err := ReadInput("/dev/zero", 1<<10); err == nil {
		t.Error("a device without an end was read")
	}
	if _, err := readInput(pipe, 1<<10, time.Millisecond); err == nil {
		t.Error("a pipe that nothing writes to was read")
	}

	// A writer may come before or after the reader.
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(pipe, []byte("from a pipe"), 0o600) }()
	data, err := ReadInput(pipe, 1<<10)
	if err != nil || string(data) != "from a pipe" {
		t.Errorf("a pipe: %q, %v", data, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}

	// One that holds the pipe open and is silent is not waited for without end.
	held, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := readInput(pipe, 1<<10, time.Millisecond); !errors.Is(err, errNoData) {
		t.Errorf("a silent writer: %v, want %v", err, errNoData)
	}
}

func TestReadInputFollowsNoPlantedLink(t *testing.T) {
	tr := newTree(t)
	tr.link("dir/file", "link")
	tr.chown("link", mallory, mallory)
	tr.chmod(".", 0o777|os.ModeSticky)
	if _, err := ReadInput(tr.at("link"), 1<<10); Unsafe(err) == nil || !Unsafe(err).Planted {
		t.Errorf("a link of another user in a directory of all: %v, want an Error", err)
	}
	tr.chown("link", 0, 0)
	if data, err := ReadInput(tr.at("link"), 1<<10); err != nil || string(data) != "content" {
		t.Errorf("a link of root in a directory of all: %q, %v", data, err)
	}
}

func TestReadInputOfAnotherUser(t *testing.T) {
	theirs := func(tr tree) { tr.chown("dir/file", mallory, mallory) }
	for _, tc := range []struct {
		name   string
		sudo   string // number of the user and the group of the user who runs sudo
		plant  func(tree)
		reason string // empty: it is read
	}{
		{"of root", "", func(tree) {}, ""},
		{"of another user", "", theirs, "belongs to another user"},
		{"of another than the caller", "50003", theirs, "belongs to another user"},
		{"of the caller", "50001", theirs, ""},
		{"of the caller, with a umask of 002", "50001", func(tr tree) {
			theirs(tr)
			tr.chmod("dir/file", 0o664)
		}, ""},
		{"of the caller and a shared group", "50001", func(tr tree) {
			tr.chown("dir/file", mallory, server)
			tr.chmod("dir/file", 0o664)
		}, "its group"},
		{"writable by all", "", func(tr tree) { tr.chmod("dir/file", 0o666) }, "all users can write it"},
		{"below another user", "", func(tr tree) { tr.chown("dir", mallory, mallory) }, "belongs to another user"},
		{"a pipe of another user", "", func(tr tree) {
			tr.ok(os.Remove(tr.at("dir/file")))
			tr.ok(syscall.Mkfifo(tr.at("dir/file"), 0o600))
			theirs(tr)
		}, "belongs to another user"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := newTree(t)
			t.Setenv("SUDO_UID", tc.sudo)
			t.Setenv("SUDO_GID", tc.sudo)
			tc.plant(tr)
			data, err := ReadInput(tr.at("dir/file"), 1<<10)
			switch fault := Unsafe(err); {
			case tc.reason == "" && (err != nil || string(data) != "content"):
				t.Errorf("ReadInput: %q, %v, want the content", data, err)
			case tc.reason == "":
			case fault == nil || !strings.Contains(fault.Reason, tc.reason) || !strings.HasPrefix(fault.Fix, "look at it first"):
				t.Errorf("ReadInput: %v, want an Error: %s", err, tc.reason)
			}
		})
	}
}

// TestReadInputPassed verifies that root reads a descriptor that it was given, such as the pipe of
// a shell, also if the file behind it belongs to another user.
func TestReadInputPassed(t *testing.T) {
	tr := newTree(t)
	tr.chown("dir/file", mallory, mallory)
	f, err := os.Open(tr.at("dir/file"))
	tr.ok(err)
	defer f.Close()
	if data, err := ReadInput(fmt.Sprintf("/dev/fd/%d", f.Fd()), 1<<10); err != nil || string(data) != "content" {
		t.Errorf("ReadInput of a descriptor: %q, %v", data, err)
	}
}

func TestOpenFolder(t *testing.T) {
	tr := newTree(t)
	tr.mkdir("theirs")
	tr.link("../dir", "theirs/link")
	tr.link("theirs", "own")
	tr.chown("theirs", mallory, mallory)
	tr.chown("theirs/link", mallory, mallory)
	for _, name := range []string{"dir", "theirs", "own"} {
		root, err := OpenFolder(tr.at(name))
		if err != nil {
			t.Errorf("OpenFolder %s: %v", name, err)
			continue
		}
		_ = root.Close()
	}
	for _, name := range []string{"theirs/link", "own/link"} {
		if _, err := OpenFolder(tr.at(name)); Unsafe(err) == nil {
			t.Errorf("OpenFolder %s: %v, want an Error", name, err)
		}
	}
}
