package filesystem

import (
	"fmt"
	"sync"
	"time"

	"packhouse/server/storage/disk"
)

// Ways of a barrier.
const (
	BarrierAuto  = "auto"   // by file, or by file system where that was measured to be cheaper
	BarrierFiles = "files"  // always file by file: the reference
	BarrierAll   = "syncfs" // always the whole file system
)

// barrier makes what was written before it durable before anything after it. It is the only place that syncs.
//
// By file, every file and directory is synced by itself. By file system, one syncfs serves everybody who waits: a waiter needs a call that
// began after it came, so at most two are ever due. That pays while others push too, and costs dearly beside a foreign program that writes much,
// hence the measuring.
type barrier struct {
	disk disk.Disk
	mode string

	mu      sync.Mutex
	running bool
	next    *round // the call that has not begun

	fileCost, allCost cost
}

// round is one syncfs and those who wait for it.
type round struct {
	done chan struct{}
	err  error
}

// cost is a moving average of what a call takes.
type cost struct {
	mu    sync.Mutex
	mean  time.Duration
	calls int
}

func (c *cost) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls++
	if c.mean == 0 {
		c.mean = d
		return
	}
	c.mean += (d - c.mean) / 8
}

func (c *cost) get() (time.Duration, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mean, c.calls
}

func newBarrier(d disk.Disk, mode string) (*barrier, error) {
	switch mode {
	case "":
		mode = BarrierAuto
	case BarrierAuto, BarrierFiles, BarrierAll:
	default:
		return nil, fmt.Errorf("barrier %q is unknown; auto, files and syncfs are", mode)
	}
	if mode == BarrierAuto && !d.Traits().SyncAll {
		mode = BarrierFiles
	}
	return &barrier{disk: d, mode: mode}, nil
}

// wait returns when files and the entries of dirs are durable. After an error nothing of them may be relied on, nor synced again: a kernel
// reports a failed write once and then forgets it.
func (b *barrier) wait(files []disk.File, dirs []string) error {
	if len(files)+len(dirs) == 0 {
		return nil
	}
	if b.whole(len(files) + len(dirs)) {
		return b.all()
	}
	start := time.Now()
	for _, f := range files {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync contents: %w", err)
		}
	}
	for _, d := range dirs {
		if err := b.disk.SyncDir(d); err != nil {
			return fmt.Errorf("sync names in %s: %w", d, err)
		}
	}
	b.fileCost.add(time.Since(start) / time.Duration(len(files)+len(dirs)))
	return nil
}

// whole decides whether the whole file system is synced for n files and directories.
func (b *barrier) whole(n int) bool {
	switch b.mode {
	case BarrierFiles:
		return false
	case BarrierAll:
		return true
	}
	if n < 2 {
		return false
	}
	one, calls := b.fileCost.get()
	all, rounds := b.allCost.get()
	if calls < 8 {
		return false
	}
	if rounds < 4 || rounds%64 == 0 {
		return true // measure, and now and then again
	}
	return all < one*time.Duration(min(n, 4))
}

// all waits for a syncfs that begins from now on.
func (b *barrier) all() error {
	b.mu.Lock()
	r := b.next
	if r == nil {
		r = &round{done: make(chan struct{})}
		b.next = r
	}
	lead := !b.running
	if lead {
		b.running = true
	}
	b.mu.Unlock()
	if lead {
		b.lead()
	}
	<-r.done
	return r.err
}

// lead runs rounds until nobody waits.
func (b *barrier) lead() {
	for {
		b.mu.Lock()
		r := b.next
		b.next = nil
		if r == nil {
			b.running = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		start := time.Now()
		r.err = b.disk.SyncAll()
		b.allCost.add(time.Since(start))
		close(r.done)
	}
}
