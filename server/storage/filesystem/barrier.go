package filesystem

import (
	"errors"
	"fmt"
	"sync"

	"packhouse/server/storage/disk"
)

// How changes are made durable.
const (
	BarrierAuto  = "auto"  // journal, if the file system supports it
	BarrierFiles = "files" // fsync every file and directory: the reference
)

// barrier makes files and directory entries durable, one fsync each, before the caller continues.
// The fsyncs of one barrier run in parallel, so that the file system can combine them into one
// commit.
type barrier struct{ disk disk.Disk }

// atOnce is how many fsyncs of one barrier run in parallel. Each occupies a thread.
const atOnce = 4

// wait returns when files and the entries of dirs are durable. After an error, neither rely on them
// nor sync them again: the kernel reports a failed write only once.
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

// reporting is a disk that calls failed when SyncAll reports failed writes.
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
