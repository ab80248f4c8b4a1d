package filesystem

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"packhouse/server/storage/disk"
)

// Ways of a barrier.
const (
	BarrierAuto  = "auto"   // by file, or by file system while that is measured to be cheaper
	BarrierFiles = "files"  // always file by file: the reference
	BarrierAll   = "syncfs" // always the whole file system
)

// barrier makes what was written before it durable before anything after it. It is the only place that syncs.
//
// By file, every file and directory is synced by itself, all of a barrier at once, so that a journal can take them in one commit. By file
// system, one syncfs serves everybody who waits: a waiter needs a call that began after it came, so at most two are ever due. That pays while
// others push too, and costs dearly beside a foreign program that writes much, hence the measuring.
type barrier struct {
	disk disk.Disk
	mode string

	mu      sync.Mutex
	running bool
	next    *round // the call that has not begun

	choice choice
}

// round is one syncfs and those who wait for it.
type round struct {
	done chan struct{}
	err  error
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
	n := len(files) + len(dirs)
	if n == 0 {
		return nil
	}
	whole := b.mode == BarrierAll
	if b.mode == BarrierAuto && n > 1 {
		whole = b.choice.whole(n)
	}
	start := time.Now()
	var err error
	if whole {
		err = b.all()
	} else {
		err = b.each(files, dirs)
	}
	if n > 1 {
		b.choice.took(whole, n, time.Since(start))
	}
	return err
}

// atOnce is how many syncs of one barrier run beside each other. Each holds a thread.
const atOnce = 4

// each syncs one by one.
func (b *barrier) each(files []disk.File, dirs []string) error {
	n := len(files) + len(dirs)
	one := func(i int) error {
		if i < len(files) {
			if err := files[i].Sync(); err != nil {
				return fmt.Errorf("sync contents: %w", err)
			}
			return nil
		}
		dir := dirs[i-len(files)]
		if err := b.disk.SyncDir(dir); err != nil {
			return fmt.Errorf("sync names in %s: %w", dir, err)
		}
		return nil
	}
	if n == 1 {
		return one(0)
	}
	errs := make([]error, n)
	var all sync.WaitGroup
	for w := range min(n, atOnce) {
		all.Go(func() {
			for i := w; i < n; i += atOnce {
				errs[i] = one(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
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
		r.err = b.disk.SyncAll()
		close(r.done)
	}
}

// choice learns which way is cheaper. It begins by file, tries the other way now and then, and less often the dearer that was.
type choice struct {
	mu    sync.Mutex
	files time.Duration // what a file takes in a barrier by file, on average; 0: not known
	all   time.Duration // what it takes by file system
	until int           // barriers before the dearer way is tried again
	pause int           // what until is set to next
}

const (
	learnFirst   = 8    // barriers by file before anything else is tried
	shortestWait = 64   // barriers between two trials
	longestWait  = 4096 // where the other way was many times dearer
)

// whole decides for one barrier of n files.
func (c *choice) whole(n int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pause == 0 {
		c.pause, c.until = shortestWait, learnFirst
	}
	cheaper := c.all > 0 && c.all < c.files*time.Duration(n)
	if c.until--; c.until > 0 {
		return cheaper
	}
	c.until = c.pause
	return !cheaper
}

// took notes what a barrier of n files took.
func (c *choice) took(whole bool, n int, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	mean := &c.files
	if whole {
		mean = &c.all
		switch other := c.files * time.Duration(n); {
		case other > 0 && d > 4*other:
			c.pause = min(c.pause*2, longestWait)
		case d < other:
			c.pause = shortestWait
		}
	} else {
		d /= time.Duration(n)
	}
	if *mean == 0 {
		*mean = d
		return
	}
	*mean += (d - *mean) / 8
}
