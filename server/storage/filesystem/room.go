package filesystem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
)

// room keeps pushes from filling the disk: announced sizes are reserved until they are written.
type room struct {
	head     int64 // bytes to keep free
	reserved atomic.Int64
}

const (
	leastHeadRoom = 16 << 20
	mostHeadRoom  = 1 << 30
	leastInodes   = 64
)

func (r *room) measure(d disk.Disk, head int64) error {
	r.head = head
	if head > 0 {
		return nil
	}
	sp, err := d.Space()
	if err != nil {
		return err
	}
	r.head = min(max(sp.TotalBytes/100, leastHeadRoom), mostHeadRoom)
	return nil
}

// free returns a function that returns how many bytes pushes may still write, or -1 if that is
// unknown.
func (r *room) free(d disk.Disk) func() int64 {
	return func() int64 {
		sp, err := d.Space()
		if err != nil || sp.TotalBytes <= 0 {
			return -1
		}
		return max(sp.FreeBytes-r.head, 0)
	}
}

// reservation is space reserved for one body. It is used by one goroutine.
type reservation struct {
	room *room
	left int64
}

// reserve reserves n bytes, or returns storage.ErrFull. A negative n, an unknown size, only checks
// that there is any space.
func (s *Store) reserve(n int64) (*reservation, error) {
	r := &reservation{room: &s.room, left: max(n, 0)}
	total := s.room.reserved.Add(r.left)
	if err := s.fits(total); err != nil {
		r.release()
		return nil, err
	}
	return r, nil
}

// spend releases n bytes that were written: the disk counts them now, and counting them twice would
// reject other pushes.
func (r *reservation) spend(n int64) {
	n = min(n, r.left)
	r.left -= n
	r.room.reserved.Add(-n)
}

// release releases the rest.
func (r *reservation) release() { r.spend(r.left) }

func (s *Store) fits(n int64) error {
	sp, err := s.disk.Space()
	if err != nil {
		return fmt.Errorf("measure free space: %w", err)
	}
	if sp.TotalBytes > 0 && sp.FreeBytes-n < s.room.head {
		return fmt.Errorf("%w: %d bytes are free, %d are kept free, %d were requested",
			storage.ErrFull, sp.FreeBytes, s.room.head, n)
	}
	if sp.FreeInodes >= 0 && sp.FreeInodes < leastInodes {
		return fmt.Errorf("%w: %d inodes are free", storage.ErrFull, sp.FreeInodes)
	}
	return nil
}

// Space implements storage.Upkeep.
func (s *Store) Space(context.Context) (storage.Space, error) {
	sp, err := s.disk.Space()
	return storage.Space(sp), err
}

// probe holds the result of the last probe write. Only one runs at a time, even if it hangs.
type probe struct {
	mu      sync.Mutex
	at      time.Time
	running bool
	err     error
	every   time.Duration // 0: use Options.ProbeEvery
}

// probeEvery is the default of Options.ProbeEvery: how old the result of Health may be.
const probeEvery = 10 * time.Second

// ProbeEvery sets the interval of the probe writes that Health starts.
func (s *Store) ProbeEvery(d time.Duration) {
	s.probe.mu.Lock()
	defer s.probe.mu.Unlock()
	s.probe.every = d
}

// How long a probe write and the sync at startup may take before Health reports the disk as
// failing.
const (
	trialDeadline  = 10 * time.Second
	settleDeadline = 2 * time.Minute
)

// Health implements storage.Store. The probe write runs in the background; exceeding its deadline
// is a failure.
func (s *Store) Health(context.Context) error {
	if s.opt.ReadOnly {
		return storage.ErrReadOnly
	}
	if err := s.fits(0); err != nil {
		return err
	}
	select {
	case <-s.settled:
		if err := *s.unsettled.Load(); err != nil {
			return fmt.Errorf("%w: %w", storage.ErrFailing, err)
		}
	default: // a probe write would wait for the sync
		if took := s.now().Sub(s.opened); took >= settleDeadline {
			return fmt.Errorf("%w: the sync at the start has not finished for %s", storage.ErrFailing, took.Round(time.Second))
		}
		return nil
	}
	if err := s.trouble.err(); err != nil {
		return err
	}
	p := &s.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if took := s.now().Sub(p.at); p.running && took >= trialDeadline {
		return fmt.Errorf("%w: a trial write has not finished for %s", storage.ErrFailing, took.Round(time.Second))
	}
	every := cmp.Or(p.every, s.opt.ProbeEvery)
	if every <= 0 {
		every = probeEvery
	}
	if now := s.now(); !p.running && (p.at.IsZero() || now.Sub(p.at) > every-every/10 || now.Before(p.at)) {
		p.running, p.at = true, now
		go s.try()
	}
	return p.err
}

// try writes, syncs and removes a file.
func (s *Store) try() {
	err := func() error {
		leave, err := s.enter()
		if err != nil {
			return err
		}
		defer leave()
		name := s.temporary() + "-probe"
		f, err := s.disk.Create(name)
		if err != nil {
			return mapped(err)
		}
		defer f.Close()
		_, err = f.Write([]byte("probe\n"))
		err = errors.Join(err, f.Sync(), s.disk.Remove(name))
		if j := s.journal.Load(); j != nil {
			err = errors.Join(err, j.ready())
		}
		return mapped(err)
	}()
	s.probe.mu.Lock()
	defer s.probe.mu.Unlock()
	s.probe.running, s.probe.err = false, err
}
