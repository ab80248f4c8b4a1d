package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// lockPause is the interval between attempts of [Acquire].
const lockPause = 50 * time.Millisecond

// errLocked is the cause of a lock that another process holds.
var errLocked = errors.New("another process holds the lock")

// Lock is an exclusive lock on the installation in a directory. A command that acquires it before
// reading the installation, and releases it after [Apply], does not lose another command's changes.
type Lock struct {
	dir  string
	file *os.File // nil: the directory does not exist yet
}

// Patience is how long [Acquire] waits for another command, and how it reports that.
type Patience struct {
	For  time.Duration
	Wait func(by string) // called once before waiting; by describes the other process and may be ""; nil: not reported
}

// Acquire locks the installation in a directory. It waits while another command holds the lock, and
// returns a *finding.Error when the wait times out. A directory that does not exist, or that this
// user may not read, is not locked: [Apply] locks it after creating it, and refuses if another
// command was first.
func Acquire(ctx context.Context, dir string, patience Patience) (*Lock, error) {
	if err := installation.VerifyTrust(dir); err != nil {
		return nil, err
	}
	deadline := time.NewTimer(patience.For)
	defer deadline.Stop()
	for waiting := false; ; waiting = true {
		l, err := tryLock(dir)
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, errLocked):
			return nil, fmt.Errorf("lock installation: %w", err)
		case patience.For <= 0:
			return nil, busy(dir)
		case !waiting && patience.Wait != nil:
			patience.Wait(holder(dir))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-deadline.C:
			return nil, busy(dir)
		case <-time.After(lockPause):
		}
	}
}

// tryLock locks a directory without waiting. It returns errLocked if another process holds the
// lock.
func tryLock(dir string) (*Lock, error) {
	f, err := openDirectory(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
		return &Lock{dir: dir}, nil
	case err != nil:
		return nil, err
	}
	if err := flock(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	held, err := f.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(held, now) {
			_ = f.Close() // the process that held the lock replaced the directory: uninstalled and maybe reinstalled
			return tryLock(dir)
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &Lock{dir: dir, file: f}, nil
}

// Release releases the lock. It does nothing if the lock is nil or already released.
func (l *Lock) Release() {
	if l != nil && l.file != nil {
		_ = l.file.Close()
		l.file = nil
	}
}

// Held reports whether the lock is held. A directory that did not exist is not locked.
func (l *Lock) Held() bool { return l != nil && l.file != nil }

// Open finishes or rolls back an interrupted run, and loads the installation.
func (l *Lock) Open() (*installation.Installed, error) { return open(l.dir, l) }

// holds reports whether l locks the directory dir.
func (l *Lock) holds(dir string) bool { return l.Held() && l.dir == dir }

// hold calls do while holding the lock of a directory: l if that is held, otherwise one that it
// acquires without waiting.
func (l *Lock) hold(dir string, do func() error) error {
	if !l.holds(dir) {
		own, err := tryLock(dir)
		if errors.Is(err, errLocked) {
			return busy(dir)
		}
		if err != nil {
			return fmt.Errorf("lock installation: %w", err)
		}
		if own.file == nil {
			if _, err := os.Stat(dir); err != nil {
				return fmt.Errorf("lock installation: %w", err)
			}
			return fmt.Errorf("lock installation: open %s: %w", dir, fs.ErrPermission)
		}
		defer own.Release()
	}
	return do()
}

// busy returns the error for an installation that another command is changing.
func busy(dir string) error {
	by := holder(dir)
	if by != "" {
		by = " (" + by + ")"
	}
	return finding.NewError(setup.Refuse(setup.CodeBusy, "another command"+by+" is changing "+dir,
		"wait until it has finished, then try again").About("dir", "--dir"))
}
