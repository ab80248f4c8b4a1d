package filesystem_test

import (
	"context"
	"errors"
	"fmt"
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

// watched is a journaling disk on which renames to a place, and the sync of everything, can be held up or made to fail.
type watched struct {
	*inmemory.Disk
	mu      sync.Mutex
	place   string        // renames to names that hold it
	renames chan struct{} // wait for this
	syncs   chan struct{} // syncs of everything wait for this
	fails   atomic.Bool   // every sync fails
	failing atomic.Bool   // syncs of everything fail
	all     atomic.Int32  // syncs of everything that began
}

func newWatched() *watched {
	return &watched{Disk: inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "first"})}
}

func (w *watched) hold(place string) (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.place, w.renames = place, make(chan struct{})
	return sync.OnceFunc(func() { close(w.renames) })
}

func (w *watched) holdSyncs() (release func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.syncs = make(chan struct{})
	return sync.OnceFunc(func() { close(w.syncs) })
}

func (w *watched) Rename(from, to string) error {
	w.mu.Lock()
	gate, held := w.renames, w.place != "" && strings.Contains(to, w.place)
	w.mu.Unlock()
	if held {
		<-gate
	}
	return w.Disk.Rename(from, to)
}

func (w *watched) SyncAll() error {
	w.all.Add(1)
	w.mu.Lock()
	gate := w.syncs
	w.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if w.fails.Load() || w.failing.Load() {
		return errDevice
	}
	return w.Disk.SyncAll()
}

func (w *watched) file(f disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return &watchedFile{f, w}, nil
}

func (w *watched) Create(name string) (disk.File, error) { return w.file(w.Disk.Create(name)) }
func (w *watched) Reopen(name string) (disk.File, error) { return w.file(w.Disk.Reopen(name)) }

type watchedFile struct {
	disk.File
	w *watched
}

func (f *watchedFile) Sync() error {
	if f.w.fails.Load() {
		return errDevice
	}
	return f.File.Sync()
}

func (w *watched) open(t *testing.T) *filesystem.Store {
	t.Helper()
	s, err := filesystem.OpenDisk(context.Background(), w, filesystem.Options{Journal: smallJournal})
	if err != nil {
		t.Fatal(err)
	}
	storagetest.PushBlob(t, s, "team/started", []byte("the work of the start is done"))
	return s
}

// after opens what a power cut leaves that takes all that is not durable.
func (w *watched) after(t *testing.T) *filesystem.Store {
	t.Helper()
	s, err := filesystem.OpenDisk(context.Background(), w.PowerCut(nil, "second"), filesystem.Options{Journal: smallJournal})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestJournalSettlesWhenIdle: what was pushed is in its place soon after, and then nothing more happens.
func TestJournalSettlesWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		before := w.all.Load()
		if before == 0 {
			t.Error("nothing was settled")
		}
		w.Calls()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if calls := w.Calls(); calls != (inmemory.Calls{}) {
			t.Errorf("idle, it syncs: %+v", calls)
		}
		// Another server, which knows nothing of the journal.
		cut := w.PowerCut(nil, "second")
		if f, err := cut.Open("docker/registry/v2/repositories/team/a/_manifests/tags/v1/current/link"); err != nil {
			t.Errorf("the tag is not in its place: %v", err)
		} else {
			f.Close()
		}
		closing(t, s)
	})
}

// TestCheckpointWaitsForNames: a change that is in the journal and is being named keeps its segment from being settled.
func TestCheckpointWaitsForNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		release := w.hold("/team/slow/")
		var pushed error
		go func() { pushed = storagetest.TryBlob(s, storagetest.Repo(t, "team/slow"), []byte("slow")) }()
		synctest.Wait()
		before, deleted := w.all.Load(), false
		go func() {
			if err := s.DeleteTag(context.Background(), storagetest.Repo(t, "team/a"), storagetest.Tag(t, "v1")); err != nil {
				t.Error(err)
			}
			deleted = true
		}()
		synctest.Wait()
		if deleted || w.all.Load() != before {
			t.Errorf("a name is still being given, and a checkpoint began: deleted %v", deleted)
		}
		release()
		synctest.Wait()
		if !deleted || pushed != nil {
			t.Errorf("deleted %v, pushed %v", deleted, pushed)
		}
		again := w.after(t)
		if tags, _, _ := again.Tags(context.Background(), storagetest.Repo(t, "team/a"), "", 10); len(tags) > 0 {
			t.Errorf("a replay brought back %v", tags)
		}
		if _, err := storagetest.ReadBlob(again, storagetest.Repo(t, "team/slow"), storagetest.PushBlob(t, s, "x", []byte("slow"))); err != nil {
			t.Error(err)
		}
		closing(t, again)
		closing(t, s)
	})
}

// TestBothSegmentsAreReplayedInOrder cuts the power while one segment is being settled and the other is in use.
func TestBothSegmentsAreReplayedInOrder(t *testing.T) {
	for _, more := range []int{0, 1} { // whichever segment is the older one
		synctest.Test(t, func(t *testing.T) {
			w := newWatched()
			s := w.open(t)
			old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
			for range more {
				time.Sleep(time.Minute) // one checkpoint
				storagetest.PushBlob(t, s, "team/a", []byte("more"))
			}
			release := w.holdSyncs()
			before := w.all.Load()
			old.Push(t, s, "team/a", "latest")
			var acknowledged []string
			for i := 0; w.all.Load() == before; i++ {
				tag := fmt.Sprint("t", i)
				old.Push(t, s, "team/a", tag)
				acknowledged = append(acknowledged, tag)
				synctest.Wait()
			}
			young.Push(t, s, "team/a", "latest")
			again := w.after(t)
			if d, err := again.ResolveTag(context.Background(), storagetest.Repo(t, "team/a"), storagetest.Tag(t, "latest")); err != nil || d != young.Digest {
				t.Errorf("latest is %s, %v; want %s", d, err, young.Digest)
			}
			old.Check(t, again, "team/a", acknowledged...)
			closing(t, again)
			release()
			closing(t, s)
		})
	}
}

// TestFailedCheckpoint: while nothing can be written to its place, pushes are accepted as long as the journal
// can keep what waits, then refused, and nothing is lost. When the device works again, so does the store.
func TestFailedCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		one, two := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil)
		one.Push(t, s, "team/a", "v1")
		w.fails.Store(true)
		var accepted []*storagetest.Image
		for n := 0; ; n++ {
			time.Sleep(time.Minute)
			synctest.Wait()
			more := storagetest.NewImage(t, fmt.Sprint("more", n), nil)
			if err := more.TryPush(t, s, "team/a", fmt.Sprint("more", n)); err != nil {
				if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "could not be written to their place") {
					t.Errorf("refused: %v", err)
				}
				break
			}
			if accepted = append(accepted, more); n > 100 {
				t.Fatal("it is never refused")
			}
		}
		if err := s.Health(context.Background()); !errors.Is(err, storage.ErrFailing) {
			t.Errorf("health: %v", err)
		}
		one.Check(t, s, "team/a", "v1")
		again := w.after(t)
		one.Check(t, again, "team/a", "v1")
		for n, image := range accepted {
			image.Check(t, again, "team/a", fmt.Sprint("more", n))
		}
		closing(t, again)
		w.fails.Store(false)
		two.Push(t, s, "team/a", "v2")
		two.Check(t, s, "team/a", "v2")
		w.fails.Store(true)
		time.Sleep(time.Minute)
		if err := s.Close(); err == nil {
			t.Error("closed without an error")
		}
		w.fails.Store(false)
		again = w.after(t)
		one.Check(t, again, "team/a", "v1")
		two.Check(t, again, "team/a", "v2")
		closing(t, again)
	})
}

// TestWithoutAJournal opens a store that crashed with one on a disk, or with an option, that does without: it is replayed, and gone.
func TestWithoutAJournal(t *testing.T) {
	w := newWatched()
	s := w.open(t)
	image := storagetest.NewImage(t, "one", nil)
	image.Push(t, s, "team/a", "v1")
	cut := w.PowerCut(nil, "second")
	s, err := filesystem.OpenDisk(context.Background(), cut, filesystem.Options{Barrier: filesystem.BarrierFiles})
	if err != nil {
		t.Fatal(err)
	}
	image.Check(t, s, "team/a", "v1")
	closing(t, s)
	if _, err := cut.Stat("packhouse/v1/journal/0"); err == nil {
		t.Error("the journal is still there, to be replayed over what comes later")
	}
}

// TestNoRoomForAJournal pushes file by file where the segments do not fit.
func TestNoRoomForAJournal(t *testing.T) {
	d := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Capacity: 1 << 20})
	s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{HeadRoom: 1})
	if err != nil {
		t.Fatal(err)
	}
	storagetest.NewImage(t, "one", nil).Push(t, s, "team/a", "v1")
	closing(t, s)
	if _, err := d.Stat("packhouse/v1/journal/0"); err == nil {
		t.Error("half a journal is left")
	}
}

// TestReplayRespectsAnotherServer: who had the directory after the power cut, and moved a tag, is not overruled.
func TestReplayRespectsAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // else what is in the journal might be settled meanwhile
		w := newWatched()
		s := w.open(t)
		old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
		young.Push(t, s, "team/a", "other")
		old.Push(t, s, "team/a", "latest", "torn")
		if err := w.SyncAll(); err != nil {
			t.Fatal(err)
		}
		cut := w.PowerCut(nil, "second")
		time.Sleep(time.Minute)
		for tag, body := range map[string]string{"latest": string(young.Digest), "torn": ""} {
			link := "docker/registry/v2/repositories/team/a/_manifests/tags/" + tag + "/current/link"
			if err := cut.Remove(link); err != nil {
				t.Fatal(err)
			}
			f, err := cut.Create(link)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write([]byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		again, err := filesystem.OpenDisk(context.Background(), cut, filesystem.Options{Journal: smallJournal})
		if err != nil {
			t.Fatal(err)
		}
		for tag, want := range map[string]string{"latest": string(young.Digest), "torn": string(old.Digest)} {
			if d, err := again.ResolveTag(context.Background(), storagetest.Repo(t, "team/a"), storagetest.Tag(t, tag)); err != nil || string(d) != want {
				t.Errorf("%s is %s, %v; want %s", tag, d, err, want)
			}
		}
		closing(t, again)
		closing(t, s)
	})
}

// TestReplayFindsWhatWasStaged cuts the power when a large blob is in the journal by the name it was staged under, and has not got its own yet.
func TestReplayFindsWhatWasStaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched()
		s := w.open(t)
		release := w.hold("/data")
		repo, content := storagetest.Repo(t, "team/a"), []byte(strings.Repeat("more than goes into the journal ", 3000))
		go func() { _ = storagetest.TryBlob(s, repo, content) }()
		synctest.Wait()
		again := w.after(t)
		if got, err := storagetest.ReadBlob(again, repo, digest.FromBytes(content)); err != nil || len(got) != len(content) {
			t.Errorf("%d of %d bytes, %v", len(got), len(content), err)
		}
		closing(t, again)
		release()
		synctest.Wait()
		closing(t, s)
	})
}
