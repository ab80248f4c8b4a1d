//go:build unix

package apply

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"packhouse/setup/installation"
)

// openDirectory opens a directory for locking. It does not block if dir is a named pipe.
func openDirectory(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
}

// flock locks an open directory without waiting. It needs no lock file, and the kernel releases the
// lock when the process ends.
func flock(d *os.File) error {
	err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// holder describes the process that is changing the installation in a directory: "setup, pid 42",
// or "" if unknown.
func holder(dir string) string {
	pid, err := readLimited(filepath.Join(dir, installation.WorkDir, installation.PidFile), 32)
	if err != nil {
		return ""
	}
	number := strings.TrimSpace(string(pid))
	if name, err := readLimited("/proc/"+number+"/comm", 64); err == nil && !strings.ContainsAny(number, "/.") {
		return fmt.Sprintf("%s, pid %s", strings.TrimSpace(string(name)), number)
	}
	return "pid " + number
}
