//go:build unix

package setup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// lock keeps a second setup out of a directory. The lock is on the directory itself: it needs no file, and ends with the process however
// that ends.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock installation: %w", err)
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = d.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, busy(dir)
		}
		return nil, fmt.Errorf("lock installation: %w", err)
	}
	// The directory may have been taken away by the run that held the lock before.
	held, err := d.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(dir); err == nil && !os.SameFile(held, now) {
			err = busy(dir)
		}
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return func() { _ = d.Close() }, nil
}

func busy(dir string) error {
	by := ""
	if pid, err := readLimited(filepath.Join(dir, workDir, pidFile), 32); err == nil {
		number := strings.TrimSpace(string(pid))
		by = " (pid " + number + ")"
		if name, err := readLimited("/proc/"+number+"/comm", 64); err == nil && !strings.ContainsAny(number, "/.") {
			by = fmt.Sprintf(" (%s, pid %s)", strings.TrimSpace(string(name)), number)
		}
	}
	return &RefusedError{Findings: []Finding{{
		Question: "dir", Severity: Refused, Code: CodeBusy, Flag: "--dir", What: "another setup" + by + " is at work in " + dir, Remedy: "wait for it, then try again",
	}}}
}
