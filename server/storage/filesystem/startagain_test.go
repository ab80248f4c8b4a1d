package filesystem_test

import (
	"context"
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

// halfJournal is a stubborn disk on which only some journal segments get a new file.
type halfJournal struct {
	*stubborn
	left atomic.Int64 // segments that do
}

func (d *halfJournal) Reopen(name string) (disk.File, error) {
	if strings.HasPrefix(name, journalOf) && d.left.Load() < 2 {
		return nil, errDevice
	}
	return d.stubborn.Reopen(name)
}

func (d *halfJournal) Rename(from, to string) error {
	if strings.HasPrefix(to, journalOf) && d.left.Add(-1) < 0 {
		return errDevice
	}
	return d.stubborn.Rename(from, to)
}

// TestCarriedRecordOfAFailedStart fails to make a journal after its first segment was written with what could not
// be written to its place. The next attempt writes that, and then what it named is deleted. It stays deleted.
func TestCarriedRecordOfAFailedStart(t *testing.T) {
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		memory := w.PowerCut(nil, "second")
		closing(t, s)
		d := &halfJournal{stubborn: &stubborn{Disk: memory}}
		d.left.Store(1)
		d.refuse([]byte(image.Digest)) // every link to the manifest
		again := reopen(t, d)
		synctest.Wait()
		if err := again.DeleteTag(ctx, storagetest.Repo(t, "team/a"), storagetest.Tag(t, "v1")); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a deletion: %v", err)
		}
		d.refuse(nil)
		d.left.Store(100)
		settled()
		if err := again.DeleteTag(ctx, storagetest.Repo(t, "team/a"), storagetest.Tag(t, "v1")); err != nil {
			t.Fatal(err)
		}
		third := reopen(t, memory.PowerCut(nil, "third"))
		if got, err := third.ResolveTag(ctx, storagetest.Repo(t, "team/a"), storagetest.Tag(t, "v1")); !errors.Is(err, storage.ErrTagUnknown) {
			t.Errorf("deleted, and back after a power cut: %s, %v", got, err)
		}
		closing(t, third)
		closing(t, again)
	})
}
