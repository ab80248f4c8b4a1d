package filesystem_test

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

const (
	tagsOfA   = "docker/registry/v2/repositories/team/a/_manifests/tags"
	journalOf = "packhouse/v1/journal"
)

// copied copies what is below name, with its times, as rsync -a and cp -a do: files by their bytes, and directories last.
func copied(t *testing.T, from, to disk.Disk, name string, but ...string) {
	t.Helper()
	if slices.Contains(but, name) {
		return
	}
	info, err := from.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Dir {
		if name != "." {
			_ = to.Mkdir(name) // it may be there
		}
		err = from.List(name, func(e disk.Entry) error {
			copied(t, from, to, path.Join(name, e.Name), but...)
			return nil
		})
	} else {
		var in, out disk.File
		if in, err = from.Open(name); err == nil {
			if out, err = to.Create(name); err == nil {
				_, err = io.Copy(out, in)
			}
		}
	}
	if err == nil && name != "." {
		err = to.SetTime(name, info.ModTime)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// journaling is a disk with a clock. The tests run in a bubble, so that what is in the journal stays there until they sleep.
func journaling(now *clock) *watched {
	return &watched{Disk: inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "first", Now: now.now})}
}

func opened(t *testing.T, d disk.Disk, now *clock) *filesystem.Store {
	t.Helper()
	s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{Journal: 128 << 10, Now: now.now})
	if err != nil {
		t.Fatal(err)
	}
	storagetest.PushBlob(t, s, "team/started", []byte("the work of the start is done"))
	return s
}

func tagIs(t *testing.T, s *filesystem.Store, tag, want string) {
	t.Helper()
	d, err := s.ResolveTag(context.Background(), storagetest.Repo(t, "team/a"), storagetest.Tag(t, tag))
	if string(d) != want || (err == nil) != (want != "") {
		t.Errorf("%s is %q, %v; want %q", tag, d, err, want)
	}
}

// TestBackupOfARunningStore restores, on another machine, what was copied file by file while the server ran: the journal first, and the rest an hour later.
// What came after the journal is not undone.
func TestBackupOfARunningStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := newClock()
		w := journaling(now)
		s := opened(t, w, now)
		old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
		old.Push(t, s, "team/a", "moved", "deleted", "stays")
		backup := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "of another machine", Now: now.now})
		for _, dir := range []string{"packhouse", "packhouse/v1"} {
			if err := backup.Mkdir(dir); err != nil {
				t.Fatal(err)
			}
		}
		copied(t, w, backup, journalOf)
		now.pass(time.Hour)
		young.Push(t, s, "team/a", "moved", "new")
		if err := s.DeleteTag(context.Background(), storagetest.Repo(t, "team/a"), storagetest.Tag(t, "deleted")); err != nil {
			t.Fatal(err)
		}
		copied(t, w, backup, ".", journalOf, "packhouse/v1/stage")
		now.pass(time.Hour)
		restored := opened(t, backup, now)
		tagIs(t, restored, "moved", string(young.Digest))
		tagIs(t, restored, "new", string(young.Digest))
		tagIs(t, restored, "deleted", "")
		tagIs(t, restored, "stays", string(old.Digest))
		young.Check(t, restored, "team/a", "moved", "new")
		closing(t, restored)
		closing(t, s)
	})
}

// TestRescueOfADisk copies, file by file, what a power cut left, and opens the copy: what was acknowledged is there, however late that is, and
// whether or not the times were copied, too.
func TestRescueOfADisk(t *testing.T) {
	for _, times := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			now := newClock()
			w := journaling(now)
			s := opened(t, w, now)
			image := storagetest.NewImage(t, "one", nil)
			image.Push(t, s, "team/a", "v1")
			cut := w.PowerCut(nil, "")
			now.pass(48 * time.Hour)
			rescued := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "of another machine", Now: now.now})
			var to disk.Disk = rescued
			if !times {
				to = timeless{rescued}
			}
			copied(t, cut, to, ".")
			now.pass(time.Hour)
			again := opened(t, rescued, now)
			image.Check(t, again, "team/a", "v1")
			closing(t, again)
			closing(t, s)
		})
	}
}

// timeless keeps no times but those of its own writes.
type timeless struct{ disk.Disk }

func (timeless) SetTime(string, time.Time) error { return nil }

// TestReplayLeavesDeletedTagsAlone: who had the directory for a day after the power cut, and deleted a tag, is not overruled.
func TestReplayLeavesDeletedTagsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := newClock()
		w := journaling(now)
		s := opened(t, w, now)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1", "v2")
		if err := w.SyncAll(); err != nil {
			t.Fatal(err)
		}
		cut := w.PowerCut(nil, "second")
		now.pass(24 * time.Hour)
		if err := cut.Rename(tagsOfA+"/v1", "packhouse/v1/trash/v1"); err != nil {
			t.Fatal(err)
		}
		now.pass(time.Hour)
		again := opened(t, cut, now)
		tagIs(t, again, "v1", "")
		tagIs(t, again, "v2", string(image.Digest))
		closing(t, again)
		closing(t, s)
	})
}

// TestReplayIsDoneAgainWhenCutOff cuts the power a second time, at every call of a replay: what that has done is not taken for somebody else's work by the
// next one.
func TestReplayIsDoneAgainWhenCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := newClock()
		w := journaling(now)
		s := opened(t, w, now)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1", "v2")
		now.pass(time.Hour)
		step := 5 // SOAK takes all
		if os.Getenv("SOAK") != "" {
			step = 1
		}
		for n := 1; ; n += step {
			second := w.PowerCut(nil, "second")
			f := &faulty{Disk: second, err: errDevice, stays: true, at: n}
			again, err := filesystem.OpenDisk(context.Background(), f, filesystem.Options{Journal: 128 << 10, Now: now.now})
			if err == nil { // the rest is done beside the server, when every name was given
				_ = again.Close()
				if n < 50 {
					t.Errorf("the start took %d calls", n)
				}
				break
			}
			now.pass(time.Hour)
			last := opened(t, second.PowerCut(rand.New(rand.NewPCG(uint64(n), 3)), "third"), now) //nolint:gosec // the same every time
			image.Check(t, last, "team/a", "v1", "v2")
			if closing(t, last); t.Failed() {
				t.Fatalf("cut off at call %d", n)
			}
		}
		closing(t, s)
	})
}

// TestSyncThatFailsAtTheStart: the kernel reports once that it could not write, and not what. The start writes
// everything in the journal again, file by file, and so does the next one, on the same machine too.
func TestSyncThatFailsAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := newClock()
		w := journaling(now)
		s := opened(t, w, now)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		second := &watched{Disk: w.PowerCut(nil, "second")} // the first is never heard of again
		second.failing.Store(true)
		failing := opened(t, second, now)
		image.Check(t, failing, "team/a", "v1")
		third := second.PowerCut(nil, "third")
		again := opened(t, third, now)
		image.Check(t, again, "team/a", "v1")
		closing(t, again)
		young := storagetest.NewImage(t, "young", nil)
		young.Push(t, failing, "team/a", "v1")
		inode := func() uint64 {
			info, err := second.Stat(tagsOfA + "/v1/current/link")
			if err != nil {
				t.Fatal(err)
			}
			return info.Inode
		}
		before := inode()
		killed := opened(t, second, now) // without a Close of the one that failed
		if inode() == before {
			t.Error("what may be lost was not written again")
		}
		young.Check(t, killed, "team/a", "v1")
		closing(t, killed)
		closing(t, s)
	})
}

// unbooted is a disk on a machine that does not tell one boot from another; mounts are numbered anew at each.
type unbooted struct{ disk.Disk }

func (u unbooted) Traits() disk.Traits {
	t := u.Disk.Traits()
	t.Boot, t.Mount = "", "8:1/29"
	return t
}

// TestReplayWhereBootsAreNotKnown cuts the power where the kernel's boot number cannot be read, and the mount has the number it had before.
func TestReplayWhereBootsAreNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := newClock()
		w := journaling(now)
		s := opened(t, unbooted{w}, now)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		again := opened(t, unbooted{w.PowerCut(nil, "")}, now)
		image.Check(t, again, "team/a", "v1")
		closing(t, again)
		closing(t, s)
	})
}
