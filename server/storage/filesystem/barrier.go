package filesystem

import (
	"errors"
	"fmt"
	"sync"

	"packhouse/server/storage/disk"
)

// How changes are made durable.
const (
	BarrierAuto  = "auto"  // by the journal where the file system is fit for it
	BarrierFiles = "files" // every file and directory by itself: the reference
)

// barrier makes what was written before it durable before anything after it, file by file, all of a barrier at once, so that a file system can
// take them in one commit of its own.
type barrier struct{ disk disk.Disk }

// atOnce is how many syncs of one barrier run beside each other. Each holds a thread.
const atOnce = 4

// wait returns when files and the entries of dirs are durable. After an error nothing of them may be relied on, nor synced again: a kernel
// reports a failed write once and then forgets it.
func (b *barrier) wait(files []disk.File, dirs []string) error {
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
	switch n {
	case 0:
		return nil
	case 1:
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

// reporting is a disk that reports failed writes of everything before.
type reporting struct {
	disk.Disk
	failed func()
}

// SyncAll implements disk.Disk.
func (d reporting) SyncAll() error {
	err := d.Disk.SyncAll()
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		d.failed()
	}
	return err
}
