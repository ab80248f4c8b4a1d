package filesystem_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// hanging is a disk on which creating files, or only the sync of everything, hangs while a gate is
// closed.
type hanging struct {
	disk.Disk
	gate    atomic.Pointer[chan struct{}]
	syncs   bool         // only these hang
	waiting atomic.Int32 // files being created
}

func (d *hanging) hang() (release func()) {
	gate := make(chan struct{})
	d.gate.Store(&gate)
	return func() {
		d.gate.Store(nil)
		close(gate)
	}
}

func (d *hanging) wait() {
	if gate := d.gate.Load(); gate != nil {
		<-*gate
	}
}

func (d *hanging) Create(name string) (disk.File, error) {
	if !d.syncs {
		d.waiting.Add(1)
		d.wait()
		d.waiting.Add(-1)
	}
	return d.Disk.Create(name)
}

func (d *hanging) SyncAll() error {
	d.wait()
	return d.Disk.SyncAll()
}

// TestHealthOfAHungDisk checks that a trial write has a deadline, that only one hangs, and that
// Health never does.
func TestHealthOfAHungDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &hanging{Disk: inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true})}
		s, err := filesystem.OpenDisk(t.Context(), d, filesystem.Options{Journal: smallJournal})
		if err != nil {
			t.Fatal(err)
		}
		storagetest.PushBlob(t, s, "team/started", []byte("the work of the start is done"))
		health := func(when string, want error) {
			t.Helper()
			began := time.Now()
			if err := s.Health(t.Context()); !errors.Is(err, want) || want == nil && err != nil || time.Since(began) != 0 {
				t.Errorf("%s: %v after %s, want %v", when, err, time.Since(began), want)
			}
			synctest.Wait()
		}
		health("at first", nil)
		health("healthy", nil)
		release := d.hang()
		time.Sleep(10 * time.Second)
		health("the trial write begins", nil)
		time.Sleep(10 * time.Second)
		health("its deadline has passed", storage.ErrFailing)
		for range 100 {
			time.Sleep(10 * time.Second)
			health("still hung", storage.ErrFailing)
		}
		if n := d.waiting.Load(); n != 1 {
			t.Errorf("%d trial writes hang, want 1", n)
		}
		release()
		synctest.Wait()
		health("released", nil)
		closing(t, s)
	})
}

// TestHealthWhileTheStartHangs checks that a sync at the start that does not return is reported.
func TestHealthWhileTheStartHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &hanging{Disk: inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true})}
		s, err := filesystem.OpenDisk(t.Context(), d, filesystem.Options{Journal: smallJournal})
		if err != nil {
			t.Fatal(err)
		}
		closing(t, s)
		d.syncs = true
		release := d.hang()
		if s, err = filesystem.OpenDisk(t.Context(), d, filesystem.Options{Journal: smallJournal}); err != nil {
			t.Fatal(err)
		}
		if err := s.Health(t.Context()); err != nil {
			t.Errorf("at the start: %v", err)
		}
		time.Sleep(3 * time.Minute)
		if err := s.Health(t.Context()); !errors.Is(err, storage.ErrFailing) {
			t.Errorf("after three minutes: %v, want %v", err, storage.ErrFailing)
		}
		release()
		closing(t, s)
	})
}
