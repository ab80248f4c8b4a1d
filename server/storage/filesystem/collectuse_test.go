package filesystem_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// reading is a disk that calls removed when a directory is renamed to trash.
type reading struct {
	*inmemory.Disk
	removed func(name string)
}

func (d *reading) Rename(from, to string) error {
	if strings.HasPrefix(to, "packhouse/v1/trash/") && d.removed != nil {
		d.removed(from)
	}
	return d.Disk.Rename(from, to)
}

// waitForReader returns once asked is closed, or the goroutine in GetManifest waits for a lock.
func waitForReader(asked <-chan struct{}) {
	for stacks := make([]byte, 1<<20); ; runtime.Gosched() {
		select {
		case <-asked:
			return
		default:
		}
		all := string(stacks[:runtime.Stack(stacks, true)])
		for goroutine := range strings.SplitSeq(all, "\n\n") {
			if state, _, _ := strings.Cut(goroutine, "\n"); strings.Contains(state, "[sync.") && strings.Contains(goroutine, ".GetManifest(") {
				return
			}
		}
	}
}

// TestCollectKeepsTheChildrenOfAnIndexInUse asks for an untagged index while a collection removes what it refers
// to. As long as the index is served, so are its children.
func TestCollectKeepsTheChildrenOfAnIndexInUse(t *testing.T) {
	ctx, repo := context.Background(), storagetest.Repo(t, "a")
	for range 8 {
		now := newClock()
		d := &reading{Disk: inmemory.NewDisk(inmemory.DiskOptions{Now: now.now})}
		s, err := filesystem.OpenDisk(ctx, d, filesystem.Options{Now: now.now})
		if err != nil {
			t.Fatal(err)
		}
		one, two, three := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil), storagetest.NewImage(t, "three", nil)
		index := storagetest.NewIndex(t, one, two, three)
		for _, i := range []*storagetest.Image{one, two, three, index} {
			i.Push(t, s, "a")
		}
		now.pass(48 * time.Hour)
		asked := make(chan struct{})
		d.removed = func(name string) {
			if !strings.Contains(name, "/_manifests/revisions/") {
				return
			}
			d.removed = nil
			go func() { // it waits if what is being removed shares its lock
				defer close(asked)
				_, _ = s.GetManifest(ctx, repo, index.Digest, true)
			}()
			waitForReader(asked)
		}
		if _, err := s.Collect(ctx, storage.CollectOptions{Untagged: 24 * time.Hour}, nil); err != nil {
			t.Fatal(err)
		}
		<-asked
		if _, err := s.GetManifest(ctx, repo, index.Digest, false); err == nil {
			for _, i := range []*storagetest.Image{one, two, three} {
				if _, err := s.GetManifest(ctx, repo, i.Digest, false); err != nil {
					t.Errorf("the index is served, and its child is not: %v", err)
				}
			}
		}
		closing(t, s)
	}
}
