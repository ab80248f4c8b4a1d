package filesystem_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
)

// TestLockOfAProcessThatEnded has a server find the record of a process that ended, as the owner of the lock
// has not yet written its own. The server reads the record again, and waits for an owner that is an offline
// command.
func TestLockOfAProcessThatEnded(t *testing.T) {
	gone := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^$")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	stale := fmt.Appendf(nil, `{"pid":%d,"host":%q}`, gone.Process.Pid, host)
	for range 10 {
		begun := time.Now()
		err := openBesideStaleRecord(t, stale)
		if err == nil {
			return
		}
		// The server waits one second for the record. A loaded machine may not write it in time.
		if owned, ok := errors.AsType[*storage.OwnedError](err); !ok || owned.Work != "" || time.Since(begun) < time.Second {
			t.Fatal(err)
		}
	}
	t.Skip("the machine is too busy")
}

// openBesideStaleRecord opens a store whose owner is an offline command with a stale record, and corrects the
// record once the server has read it.
func openBesideStaleRecord(t *testing.T, stale []byte) error {
	t.Helper()
	root := t.TempDir()
	offline := open(t, filesystem.Options{Root: root, Work: "store gc"})
	lock := filepath.Join(root, "packhouse/v1/lease/owner")
	record, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, stale, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := closings(t, lock)
	opened := make(chan error, 1)
	go func() {
		s, err := filesystem.Open(t.Context(), filesystem.Options{Root: root, Wait: time.Hour})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	if _, err := closed.Read(make([]byte, 4096)); err != nil { // the server has read the record
		t.Fatal(err)
	}
	if err := os.WriteFile(lock, record, 0o600); err != nil {
		t.Fatal(err)
	}
	closing(t, offline)
	return <-opened
}

// closings returns a file from which one can read once a program has closed a file that it could write.
func closings(t *testing.T, path string) *os.File {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	t.Cleanup(func() { f.Close() })
	if _, err := syscall.InotifyAddWatch(fd, path, syscall.IN_CLOSE_WRITE); err != nil {
		t.Fatal(err)
	}
	if err := f.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return f
}
