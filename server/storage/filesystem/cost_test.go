package filesystem_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// TestSyncsOfAPush holds the number of syncs an artifact costs, of one config, one layer and a manifest with a tag, in a repository that is
// there already.
func TestSyncsOfAPush(t *testing.T) {
	for barrier, want := range map[string]struct{ fresh, again, moved inmemory.Calls }{
		filesystem.BarrierAuto: {
			fresh: inmemory.Calls{Data: 3}, // one a blob, one the manifest
			again: inmemory.Calls{},
			moved: inmemory.Calls{Data: 3},
		},
		filesystem.BarrierFiles: {
			fresh: inmemory.Calls{Files: 8, Dirs: 21},
			again: inmemory.Calls{},
			moved: inmemory.Calls{Files: 8, Dirs: 18},
		},
	} {
		t.Run(barrier, inABubble(func(t *testing.T) {
			disk := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: true})
			s, err := filesystem.OpenDisk(context.Background(), disk, filesystem.Options{Barrier: barrier, Journal: 1 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer closing(t, s)
			_ = storagetest.Repositories(t, s, 1)
			storagetest.NewImage(t, "zero", nil).Push(t, s, "a", "v0")
			one, two := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil)
			disk.Calls()
			one.Push(t, s, "a", "v1")
			if got := disk.Calls(); got != want.fresh {
				t.Errorf("new: %+v, want %+v", got, want.fresh)
			}
			one.Push(t, s, "a", "v1")
			if got := disk.Calls(); got != want.again {
				t.Errorf("again: %+v, want %+v", got, want.again)
			}
			two.Push(t, s, "a", "v1")
			if got := disk.Calls(); got != want.moved {
				t.Errorf("over a tag: %+v, want %+v", got, want.moved)
			}
		}))
	}
}

// inABubble runs a test that counts calls of a disk with a journal where no time passes: else the journal may be settled in between, which costs
// calls, too.
func inABubble(f func(*testing.T)) func(*testing.T) {
	return func(t *testing.T) { synctest.Test(t, f) }
}

// anHourAgo is a clock of a disk whose links have long settled.
func anHourAgo() time.Time { return time.Now().Add(-time.Hour) }

// TestCostsDoNotGrow counts the calls of the disk that a start, a page and a deletion cost, with few and with many things in the store.
func TestCostsDoNotGrow(t *testing.T) {
	type costs struct{ start, catalogue, tags, resolve, deletion int }
	measure := func(total int) (c costs) {
		ctx := context.Background()
		f := &faulty{Disk: inmemory.NewDisk(inmemory.DiskOptions{Now: anHourAgo})}
		s, err := filesystem.OpenDisk(ctx, f, filesystem.Options{})
		if err != nil {
			t.Fatal(err)
		}
		image := storagetest.NewImage(t, "one", nil)
		for i := range total {
			image.Push(t, s, fmt.Sprintf("r%04d", i))
		}
		for i := range total {
			image.Push(t, s, "tags", fmt.Sprintf("t%04d", i))
		}
		deleted := storagetest.NewImage(t, "deleted", nil)
		deleted.Push(t, s, "tags", "deleted")
		closing(t, s)
		count := func(do func()) int {
			before := f.count()
			do()
			return f.count() - before
		}
		gate := &gated{Disk: f, open: make(chan struct{})}
		c.start = count(func() {
			if s, err = filesystem.OpenDisk(ctx, gate, filesystem.Options{}); err != nil {
				t.Fatal(err)
			}
		})
		close(gate.open)
		synctest.Wait() // for the work of the start
		repo := storagetest.Repo(t, "tags")
		page := func() { _, _, _ = s.Tags(ctx, repo, "t0005", 10) }
		catalogue := func() { _, _, _ = s.Repositories(ctx, "r0005", 10, nil) }
		page()
		catalogue()
		c.tags, c.catalogue = count(page), count(catalogue)
		c.resolve = count(func() { _, _ = s.ResolveTag(ctx, repo, storagetest.Tag(t, "t0003")) })
		c.deletion = count(func() {
			if err := s.DeleteManifest(ctx, repo, deleted.Digest, false); err != nil {
				t.Fatal(err)
			}
		})
		closing(t, s)
		return c
	}
	var few, many costs
	synctest.Test(t, func(*testing.T) { few = measure(30) })
	synctest.Test(t, func(*testing.T) { many = measure(300) })
	if few != many {
		t.Errorf("with 30: %+v; with 300: %+v", few, many)
	}
	if many.tags > 2 || many.catalogue > 12 || many.resolve > 5 || many.deletion > 60 {
		t.Errorf("dear: %+v", many)
	}
}
