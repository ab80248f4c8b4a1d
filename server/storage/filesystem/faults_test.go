package filesystem_test

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// filesBelow returns the files below a directory.
func filesBelow(t *testing.T, d disk.Disk, dir string) (files []string) {
	t.Helper()
	err := d.List(dir, func(e disk.Entry) error {
		if name := path.Join(dir, e.Name); e.Dir {
			files = append(files, filesBelow(t, d, name)...)
		} else {
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func dataName(d digest.Digest) string {
	return "docker/registry/v2/blobs/sha256/" + d.Encoded()[:2] + "/" + d.Encoded() + "/data"
}

func only(file string) func(string) bool { return func(name string) bool { return name == file } }

// lose fails the write-back of a file and drops its pages.
func lose(d *inmemory.Disk, file string) {
	d.FailWriteBack(only(file))
	d.EvictPages(only(file))
}

// elapse advances the fake clock of testing/synctest.
func elapse(d time.Duration) {
	time.Sleep(d) // fake time
}

// settled lets the store checkpoint what was pushed.
func settled() {
	elapse(10 * time.Second)
	synctest.Wait()
}

// survives opens what a power cut leaves and reads an image.
func survives(t *testing.T, d *inmemory.Disk, image *storagetest.Image, repo string, tags ...string) {
	t.Helper()
	again := reopen(t, d.PowerCut(nil, "after the cut"))
	image.Check(t, again, repo, tags...)
	if err := again.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func reopen(t *testing.T, d disk.Disk) *filesystem.Store {
	t.Helper()
	s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{Journal: 128 << 10})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFailedWriteBack lets the write-back of each file of a push fail in turn, once or for good, before the
// checkpoint: the error is reported once, and the file reads as zeros. Nothing acknowledged is lost, nothing
// is refused, and Health is well.
func TestFailedWriteBack(t *testing.T) {
	for name, fail := range map[string]func(*inmemory.Disk, string) error{
		"once": func(d *inmemory.Disk, name string) error {
			d.FailWriteBack(only(name))
			return nil
		},
		"once, and evicted": func(d *inmemory.Disk, name string) error {
			lose(d, name)
			return nil
		},
		"the block is bad": (*inmemory.Disk).SpoilBlock,
	} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				done := false
				synctest.Test(t, func(t *testing.T) {
					w := newWatched()
					s := w.open(t)
					settled()
					before := map[string]bool{}
					for _, dir := range []string{"docker", "packhouse/v1/index", "packhouse/v1/refs"} {
						for _, f := range filesBelow(t, w, dir) {
							before[f] = true
						}
					}
					base := storagetest.NewImage(t, "base", nil)
					base.Push(t, s, "team/a", "moved")
					image := storagetest.NewImage(t, "one", base)
					image.Push(t, s, "team/a", "v1", "moved")
					var files []string
					for _, dir := range []string{"docker", "packhouse/v1/index", "packhouse/v1/refs"} {
						for _, f := range filesBelow(t, w, dir) {
							if !before[f] || f == "packhouse/v1/index/repositories" {
								files = append(files, f)
							}
						}
					}
					if done = n >= len(files); done {
						closing(t, s)
						return
					}
					if err := fail(w.Disk, files[n]); err != nil {
						t.Fatal(err)
					}
					settled()
					w.EvictPages(func(string) bool { return true })
					later := storagetest.NewImage(t, "later", nil)
					if err := later.TryPush(t, s, "team/b", "v1"); err != nil {
						t.Errorf("%s: a push later: %v", files[n], err)
					}
					if err := s.Health(context.Background()); err != nil {
						t.Errorf("%s: health: %v", files[n], err)
					}
					image.Check(t, s, "team/a", "v1", "moved")
					survives(t, w.Disk, image, "team/a", "v1", "moved")
					settled()
					survives(t, w.Disk, image, "team/a", "v1", "moved")
					survives(t, w.Disk, later, "team/b", "v1")
					closing(t, s)
					if t.Failed() {
						t.Fatalf("file %s", files[n])
					}
				})
				if done || t.Failed() {
					break
				}
			}
		})
	}
}

// TestFailureBelongsToTheOtherSegment: the sync that reports the failure is the one of the earlier segment, and
// the file belongs to the later one, whose own sync then succeeds.
func TestFailureBelongsToTheOtherSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		settled()
		first, second := storagetest.NewImage(t, "first", nil), storagetest.NewImage(t, "second", nil)
		first.Push(t, s, "team/a", "v1")
		release := w.holdSyncs()
		settled()
		second.Push(t, s, "team/a", "v2")
		lose(w.Disk, dataName(digest.FromBytes(second.Layer)))
		release()
		settled()
		survives(t, w.Disk, first, "team/a", "v1")
		survives(t, w.Disk, second, "team/a", "v2")
		closing(t, s)
	})
}

// TestFailureSeenByAnotherProcess: the server was killed, the kernel failed to write what it had pushed, and
// the sync of another program was told so. The next start cannot learn of it.
func TestFailureSeenByAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		settled()
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		lose(w.Disk, dataName(digest.FromBytes(image.Layer)))
		w.SyncElsewhere()
		w.NewProcess()
		next := reopen(t, w.Disk) // the first one is never used again
		storagetest.PushBlob(t, next, "team/started", []byte("next"))
		image.Check(t, next, "team/a", "v1")
		survives(t, w.Disk, image, "team/a", "v1")
		closing(t, next)
		closing(t, s)
	})
}

// TestLostBytesAreNotServed reads a blob whose bytes the kernel dropped, before the store knows.
func TestLostBytesAreNotServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		content := []byte("acknowledged")
		d := storagetest.PushBlob(t, s, "team/a", content)
		lose(w.Disk, dataName(d))
		if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "team/a"), d); err == nil && !bytes.Equal(got, content) {
			t.Errorf("served %q", got)
		}
		settled()
		if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "team/a"), d); err != nil || !bytes.Equal(got, content) {
			t.Errorf("after the checkpoint: %q, %v", got, err)
		}
		closing(t, s)
	})
}

// stubborn is a disk on which no file with certain bytes can be synced, while everything else works.
type stubborn struct {
	*inmemory.Disk
	mu     sync.Mutex
	bytes  []byte
	raised atomic.Bool // the next sync of everything fails
}

func (d *stubborn) refuse(p []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes = p
	d.raised.Store(p != nil)
}

func (d *stubborn) refuses(f disk.File) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bytes == nil {
		return false
	}
	p := make([]byte, len(d.bytes))
	n, _ := f.ReadAt(p, 0)
	return n == len(p) && bytes.Equal(p, d.bytes)
}

func (d *stubborn) SyncAll() error {
	err := d.Disk.SyncAll()
	if d.raised.Swap(false) {
		return errDevice
	}
	return err
}

func (d *stubborn) Create(name string) (disk.File, error) {
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return &stubbornFile{f, d}, nil
}

type stubbornFile struct {
	disk.File
	d *stubborn
}

func (f *stubbornFile) Sync() error {
	if f.d.refuses(f) {
		return errDevice
	}
	return f.File.Sync()
}

// TestOneFileCannotBeWritten: only that file waits, in the journal; everything else is pushed, deleted and
// checkpointed, Health says so at once, and when the device works again all is well.
func TestOneFileCannotBeWritten(t *testing.T) {
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		d := &stubborn{Disk: inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "first"})}
		s := reopen(t, d)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		stuck := digest.FromBytes(image.Layer)
		d.refuse(image.Layer)
		settled()
		if err := s.Health(ctx); !errors.Is(err, storage.ErrFailing) {
			t.Errorf("health: %v", err)
		}
		for n := range 20 {
			later := storagetest.NewImage(t, strings.Repeat("later", n+1), nil)
			if err := later.TryPush(t, s, "team/b", "v1", "v2"); err != nil {
				t.Fatalf("push %d: %v", n, err)
			}
			if err := s.DeleteTag(ctx, storagetest.Repo(t, "team/b"), storagetest.Tag(t, "v2")); err != nil {
				t.Fatalf("delete %d: %v", n, err)
			}
			time.Sleep(time.Minute)
			survives(t, d.Disk, image, "team/a", "v1")
			survives(t, d.Disk, later, "team/b", "v1")
		}
		if err := s.DeleteBlob(ctx, storagetest.Repo(t, "team/a"), digest.FromBytes(image.Config), true); err != nil {
			t.Errorf("delete what is in its place: %v", err)
		}
		if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "team/a"), stuck); err == nil && !bytes.Equal(got, image.Layer) {
			t.Errorf("served %q", got)
		}
		d.refuse(nil)
		settled()
		if err := s.Health(ctx); err != nil {
			t.Errorf("health later: %v", err)
		}
		if got, err := storagetest.ReadBlob(s, storagetest.Repo(t, "team/a"), stuck); err != nil || !bytes.Equal(got, image.Layer) {
			t.Errorf("later: %q, %v", got, err)
		}
		closing(t, s)
	})
}

// TestClosedWithOneFileThatCannotBeWritten: it is in the journal for the next start, which carries it on.
func TestClosedWithOneFileThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &stubborn{Disk: inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "first"})}
		s := reopen(t, d)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		d.refuse(image.Layer)
		settled()
		if err := s.Close(); err == nil {
			t.Error("closed without an error")
		}
		survives(t, d.Disk, image, "team/a", "v1")
		d.raised.Store(true)
		s = reopen(t, d)
		later := storagetest.NewImage(t, "later", nil)
		later.Push(t, s, "team/a", "v2")
		if err := s.Health(context.Background()); !errors.Is(err, storage.ErrFailing) {
			t.Errorf("health: %v", err)
		}
		survives(t, d.Disk, image, "team/a", "v1")
		survives(t, d.Disk, later, "team/a", "v2")
		d.refuse(nil)
		settled()
		closing(t, s)
		survives(t, d.Disk, image, "team/a", "v1")
	})
}

// TestBadBlockInTheJournal: a segment with a bad block moves to a new file; pushes do not notice.
func TestBadBlockInTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		var all []*storagetest.Image
		for n := range 6 {
			for _, segment := range []string{"/0", "/1"} {
				if err := w.SpoilBlock(journalOf + segment); err != nil {
					t.Fatal(err)
				}
			}
			image := storagetest.NewImage(t, strings.Repeat("x", n+1), nil)
			if err := image.TryPush(t, s, "team/a", "v1"); err != nil {
				t.Errorf("push %d: %v", n, err)
			}
			all = append(all, image)
			replaced := func() {
				cut := w.PowerCut(nil, "second") // the device was replaced, too
				cut.Mend()
				survives(t, cut, image, "team/a", "v1")
			}
			replaced()
			if n%2 == 1 {
				settled()
			}
			replaced()
		}
		for _, image := range all {
			image.Check(t, s, "team/a")
		}
		if err := s.Health(context.Background()); err != nil {
			t.Errorf("health: %v", err)
		}
		closing(t, s)
	})
}

// TestNoBlockIsLeft: nothing new can be written at all, so pushes are refused, and what was acknowledged stays.
func TestNoBlockIsLeft(t *testing.T) {
	ctx := context.Background()
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		for _, name := range append(filesBelow(t, w, "docker"), journalOf+"/0", journalOf+"/1") {
			if err := w.SpoilBlock(name); err != nil {
				t.Fatal(err)
			}
		}
		w.SpoilFree(1 << 16)
		settled()
		if err := storagetest.TryBlob(s, storagetest.Repo(t, "team/a"), []byte("refused")); !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("a push: %v", err)
		}
		if err := s.Health(ctx); !errors.Is(err, storage.ErrFailing) {
			t.Errorf("health: %v", err)
		}
		cut := w.PowerCut(nil, "second")
		cut.Mend()
		survives(t, cut, image, "team/a", "v1")
		w.Mend()
		storagetest.PushBlob(t, s, "team/a", []byte("taken"))
		settled()
		if err := s.Health(ctx); err != nil {
			t.Errorf("health later: %v", err)
		}
		survives(t, w.Disk, image, "team/a", "v1")
		closing(t, s)
	})
}
