//go:build unix

package disk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"packhouse/server/storage"
)

// A network file system's lock may not reach another host, so there the owner also writes a heartbeat, and one from elsewhere that is younger
// than patience counts as alive.
const (
	heartbeat = 10 * time.Second
	patience  = 60 * time.Second
)

// owner is the body of the lock file.
type owner struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen"` // last heartbeat
}

// Own implements Disk.
func (d *osDisk) Own(name string, readOnly bool) error {
	flags, how := os.O_RDWR|os.O_CREATE, syscall.LOCK_EX
	if readOnly {
		flags, how = os.O_RDONLY, syscall.LOCK_SH
	}
	f, err := d.root.OpenFile(name, flags, fileMode)
	if err != nil {
		if readOnly && (errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission)) {
			return nil // nobody ever owned it, or we may not ask
		}
		return fmt.Errorf("open lock file: %w", err)
	}
	var was owner
	if body, err := io.ReadAll(io.LimitReader(f, 4096)); err == nil {
		_ = json.Unmarshal(body, &was) // a torn body names nobody
	}
	if err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return &storage.OwnedError{PID: was.PID, Host: was.Host, Since: was.Since}
		}
		return fmt.Errorf("lock storage: %w", err)
	}
	host, _ := os.Hostname()
	if d.t.Network && was.Host != "" && was.Host != host && time.Since(was.Seen) < patience {
		f.Close()
		return &storage.OwnedError{PID: was.PID, Host: was.Host, Since: was.Since}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lock = f
	if readOnly {
		return nil
	}
	me := owner{PID: os.Getpid(), Host: host, Since: time.Now().UTC()}
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

// sign writes who owns the store. Called with d.mu held.
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
				_ = d.sign(me) // the next beat tries again
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
		_ = d.lock.Truncate(0) // elsewhere nobody need wait for the patience to run out
	}
	if d.lock != nil {
		d.lock.Close()
		d.lock = nil
	}
}
