package filesystem_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/storage/disk"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// TestTagMoveSurvivesClockSteps moves a tag, steps the clock, moves the tag again and cuts the power. The
// journal orders the moves, whatever the times of the files say.
func TestTagMoveSurvivesClockSteps(t *testing.T) {
	for _, step := range []time.Duration{-48 * time.Hour, -time.Hour, -time.Second, 0, time.Hour, 48 * time.Hour} {
		for _, settle := range []bool{false, true} {
			for _, later := range []time.Duration{0, time.Hour, 96 * time.Hour} {
				synctest.Test(t, func(t *testing.T) {
					now := newClock()
					w := journaling(now)
					s := opened(t, w, now)
					old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
					old.Push(t, s, "team/a", "moved", "kept")
					if settle {
						settled()
					}
					now.pass(step)
					young.Push(t, s, "team/a", "moved", "new")
					cut := w.PowerCut(nil, "second")
					if !settle { // the first move may be in its place
						if err := w.SyncAll(); err != nil {
							t.Fatal(err)
						}
					}
					now.pass(later)
					for _, d := range []disk.Disk{cut, w.PowerCut(nil, "second")} {
						again := opened(t, d, now)
						tagIs(t, again, "moved", string(young.Digest))
						tagIs(t, again, "new", string(young.Digest))
						tagIs(t, again, "kept", string(old.Digest))
						young.Check(t, again, "team/a", "moved", "new")
						closing(t, again)
					}
					if t.Failed() {
						t.Fatalf("step %v, settled %v, opened %v later", step, settle, later)
					}
					closing(t, s)
				})
			}
		}
	}
}

// TestReplayKeepsARollback: after the power cut another server moved the tag back to what it was before, and
// its clock may be wrong, too. The file is none of ours, so it stays.
func TestReplayKeepsARollback(t *testing.T) {
	for _, step := range []time.Duration{-time.Hour, time.Minute, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			now := newClock()
			w := journaling(now)
			s := opened(t, w, now)
			old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
			old.Push(t, s, "team/a", "latest")
			settled()
			young.Push(t, s, "team/a", "latest")
			if err := w.SyncAll(); err != nil {
				t.Fatal(err)
			}
			cut := w.PowerCut(nil, "second")
			now.pass(step)
			rewritten(t, cut, tagsOfA+"/latest/current/link", string(old.Digest))
			now.pass(time.Minute)
			again := opened(t, cut, now)
			tagIs(t, again, "latest", string(old.Digest))
			closing(t, again)
			closing(t, s)
		})
	}
}

func rewritten(t *testing.T, d disk.Disk, name, body string) {
	t.Helper()
	if err := d.Remove(name); err != nil {
		t.Fatal(err)
	}
	f, err := d.Create(name)
	if err == nil {
		_, err = f.Write([]byte(body))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRescueOfAMovedTag copies, file by file, what a power cut left, in which the move of a tag is lost, to
// another machine: the copy of the journal moves it there, with or without the times of the files.
func TestRescueOfAMovedTag(t *testing.T) {
	for _, times := range []bool{true, false} {
		for _, step := range []time.Duration{-time.Hour, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				now := newClock()
				w := journaling(now)
				s := opened(t, w, now)
				old, young := storagetest.NewImage(t, "old", nil), storagetest.NewImage(t, "young", nil)
				old.Push(t, s, "team/a", "latest")
				settled()
				now.pass(step)
				young.Push(t, s, "team/a", "latest")
				cut := w.PowerCut(nil, "")
				now.pass(48 * time.Hour)
				rescued := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true, Boot: "of another machine", Now: now.now})
				var to disk.Disk = rescued
				if !times {
					to = timeless{rescued}
				}
				copied(t, cut, to, ".")
				again := opened(t, rescued, now)
				tagIs(t, again, "latest", string(young.Digest))
				young.Check(t, again, "team/a", "latest")
				closing(t, again)
				closing(t, s)
			})
		}
	}
}

// TestBackupMadeWithinMoments copies the journal and, after a checkpoint and a deletion, the rest, all within
// seconds. The copy of the settled mark shows that the journal is older, where no time could.
func TestBackupMadeWithinMoments(t *testing.T) {
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
		settled()
		young.Push(t, s, "team/a", "moved", "new")
		if err := s.DeleteTag(context.Background(), storagetest.Repo(t, "team/a"), storagetest.Tag(t, "deleted")); err != nil {
			t.Fatal(err)
		}
		copied(t, w, backup, ".", journalOf, "packhouse/v1/stage")
		restored := opened(t, backup, now)
		tagIs(t, restored, "moved", string(young.Digest))
		tagIs(t, restored, "new", string(young.Digest))
		tagIs(t, restored, "deleted", "")
		tagIs(t, restored, "stays", string(old.Digest))
		// What is pushed to the restored store is newer than everything the mark covers.
		old.Push(t, restored, "team/a", "moved", "again")
		cut := opened(t, backup.PowerCut(nil, "second"), now)
		tagIs(t, cut, "moved", string(old.Digest))
		tagIs(t, cut, "again", string(old.Digest))
		closing(t, cut)
		closing(t, restored)
		closing(t, s)
	})
}

// TestJournalIsGone removes the journal, as an administrator may, and pushes again: the settled mark of before
// does not cover the new records.
func TestJournalIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := newClock()
		w := journaling(now)
		s := opened(t, w, now)
		for range 5 {
			storagetest.NewImage(t, now.now().String(), nil).Push(t, s, "team/a", "v1")
			settled()
		}
		closing(t, s)
		for _, segment := range []string{"/0", "/1"} {
			if err := w.Remove(journalOf + segment); err != nil {
				t.Fatal(err)
			}
		}
		s = opened(t, w, now)
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a", "v1")
		again := opened(t, w.PowerCut(nil, "second"), now)
		image.Check(t, again, "team/a", "v1")
		closing(t, again)
		closing(t, s)
	})
}
