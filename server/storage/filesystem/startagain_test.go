package filesystem_test

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// fullAtStart is a disk on which the first sync of everything fails and nothing can be created afterwards.
type fullAtStart struct {
	*inmemory.Disk
	synced, full atomic.Bool
}

func (d *fullAtStart) SyncAll() error {
	if d.synced.CompareAndSwap(false, true) {
		d.FailWriteBack(func(name string) bool { return strings.HasPrefix(name, "docker/") })
		d.full.Store(true)
	}
	return d.Disk.SyncAll()
}

func (d *fullAtStart) Create(name string) (disk.File, error) {
	if d.full.Load() {
		return nil, syscall.ENOSPC
	}
	return d.Disk.Create(name)
}

// TestFailedStartIsRetriedWhole fails the sync at the start and what makes up for it. The next attempt, whose
// sync reports nothing, has to make up for it, too.
func TestFailedStartIsRetriedWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		d := &fullAtStart{Disk: w.PowerCut(nil, "second")}
		closing(t, s)
		again := reopen(t, d)
		synctest.Wait()
		if err := storagetest.TryBlob(again, storagetest.Repo(t, "team/a"), []byte("refused")); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a push: %v", err)
		}
		d.full.Store(false)
		settled()
		storagetest.PushBlob(t, again, "team/a", []byte("taken"))
		settled()
		d.EvictPages(func(string) bool { return true })
		image.Check(t, again, "team/a", "v1")
		survives(t, d.Disk, image, "team/a", "v1")
		closing(t, again)
	})
}
