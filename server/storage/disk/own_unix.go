//go:build unix

package disk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"packhouse/server/storage"
)

// On a network file system, the lock may not be visible to another host. There the owner also
// writes a heartbeat, and an owner on another host whose heartbeat is younger than patience counts
// as alive.
const (
	heartbeat = 10 * time.Second
	patience  = 60 * time.Second
)

// How often a waiting process retries, and how often an owner with Work checks for one.
const (
	retryEvery = 50 * time.Millisecond
	lookEvery  = 100 * time.Millisecond
)

// settling bounds how long to wait for an owner whose record is older than its lock: it has
// acquired the lock and is about to write the record.
const settling = time.Second

// waitingSuffix is the suffix of the file next to the lock file on which waiting servers hold a
// shared lock.
const waitingSuffix = ".waiting"

// owner is the body of the lock file.
type owner struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen"`           // last heartbeat
	Work  string    `json:"work,omitempty"` // Claim.Work
}

// Own implements Disk.
func (d *osDisk) Own(ctx context.Context, name string, c Claim) error {
	err := d.acquire(name, c)
	for begun, announced := time.Now(), (*os.File)(nil); ; {
		owned, ok := errors.AsType[*storage.OwnedError](err)
		if !ok {
			return err
		}
		left := c.Wait
		if owned.Work == "" {
			if left = settling; !d.unsettled(owned) {
				return err
			}
		}
		if left -= time.Since(begun); left <= 0 || c.Wait <= 0 {
			return err
		}
		if announced == nil && owned.Work != "" {
			if announced = d.announce(name); announced != nil {
				defer announced.Close()
			}
			if c.Waiting != nil {
				c.Waiting(owned)
				c.Waiting = nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(retryEvery, left)):
			err = d.acquire(name, c)
		}
	}
}

// unsettled reports whether the record was left by a process of this host that has ended, so that
// another process holds the lock.
func (d *osDisk) unsettled(o *storage.OwnedError) bool {
	host, err := os.Hostname()
	return err == nil && (o.PID == 0 || o.Host == host && errors.Is(syscall.Kill(o.PID, 0), syscall.ESRCH))
}

// announce signals the owner that this process waits. It returns nil if that is not possible.
func (d *osDisk) announce(name string) *os.File {
	f, err := d.root.OpenFile(name+waitingSuffix, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	// The owner holds the lock only briefly, while it checks.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH); err != nil { //nolint:gosec // a descriptor
		f.Close()
		return nil
	}
	return f
}

// Awaited implements Disk.
func (d *osDisk) Awaited(ctx context.Context) error {
	d.mu.Lock()
	f := d.waiting
	d.mu.Unlock()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if f != nil {
			err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a descriptor
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil
			}
			_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN) //nolint:gosec // a descriptor
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// acquire tries once to lock the root.
func (d *osDisk) acquire(name string, c Claim) error {
	flags, how := os.O_RDWR|os.O_CREATE, syscall.LOCK_EX
	if c.ReadOnly {
		flags, how = os.O_RDONLY, syscall.LOCK_SH
	}
	f, err := d.openLock(name, flags)
	if err != nil {
		if c.ReadOnly && (errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission)) {
			return nil // never owned, or not visible to this user
		}
		return fmt.Errorf("open lock file: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return ownedBy(recorded(f))
		}
		return fmt.Errorf("lock storage: %w", err)
	}
	was := recorded(f)
	host, _ := os.Hostname()
	if d.t.Network && was.Host != "" && was.Host != host && time.Since(was.Seen) < patience {
		f.Close()
		return ownedBy(was)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lock = f
	if c.ReadOnly {
		return nil
	}
	if c.Work != "" {
		// Create it before the record that makes waiting servers use it.
		if d.waiting, err = d.root.OpenFile(name+waitingSuffix, os.O_RDWR|os.O_CREATE, fileMode); err != nil {
			return fmt.Errorf("open lock file: %w", err)
		}
	}
	me := owner{PID: os.Getpid(), Host: host, Since: time.Now().UTC(), Work: c.Work}
	if err := d.sign(me); err != nil {
		return err
	}
	if d.t.Network {
		stop := make(chan struct{})
		d.beat = func() { close(stop) }
		go d.keepBeating(me, stop)
	}
	return nil
}

// openLock opens the lock file. It returns an error that names the fix if something else than a
// regular file has its name.
func (d *osDisk) openLock(name string, flags int) (*os.File, error) {
	other := fmt.Errorf("%s is not a regular file: remove it", filepath.Join(d.root.Name(), name))
	if flags&os.O_CREATE != 0 {
		if f, err := d.root.OpenFile(name, flags|os.O_EXCL|syscall.O_NONBLOCK, fileMode); err == nil {
			d.inherit(f, name)
			return f, nil
		}
	}
	f, err := d.root.OpenFile(name, flags|syscall.O_NONBLOCK, fileMode)
	if err != nil {
		if info, e := d.root.Lstat(name); e == nil && !info.Mode().IsRegular() {
			return nil, other
		}
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, other
	}
	return f, nil
}

// recorded reads the record of the last owner. A torn record is empty.
func recorded(f *os.File) (was owner) {
	if body, err := io.ReadAll(io.NewSectionReader(f, 0, 4096)); err == nil {
		_ = json.Unmarshal(body, &was)
	}
	return was
}

func ownedBy(o owner) *storage.OwnedError {
	return &storage.OwnedError{PID: o.PID, Host: o.Host, Since: o.Since, Work: o.Work}
}

// sign writes the owner's record. The caller holds d.mu.
func (d *osDisk) sign(me owner) error {
	me.Seen = time.Now().UTC()
	body, err := json.Marshal(me)
	if err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	body = append(body, '\n')
	if _, err := d.lock.WriteAt(body, 0); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	if err := d.lock.Truncate(int64(len(body))); err != nil {
		return fmt.Errorf("write lock file: %w", err)
	}
	return nil
}

func (d *osDisk) keepBeating(me owner, stop <-chan struct{}) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			d.mu.Lock()
			if d.lock != nil {
				_ = d.sign(me) // the next heartbeat retries
			}
			d.mu.Unlock()
		}
	}
}

func (d *osDisk) disown() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.beat != nil {
		d.beat()
		d.beat = nil
		_ = d.lock.Truncate(0) // so that other hosts need not wait for the heartbeat to expire
	}
	if d.waiting != nil {
		d.waiting.Close()
		d.waiting = nil
	}
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}
