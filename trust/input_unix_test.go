//go:build unix

package trust

import (
	"os"
	"path/filepath"
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
	if _, err := readInput(pipe, 1<<10, time.Millisecond); !os.IsTimeout(err) {
		t.Errorf("a silent writer: %v, want a timeout", err)
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
