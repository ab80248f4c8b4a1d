package filesystem_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

const team = "docker/registry/v2/repositories/team/a/_manifests/"

// deleteManifest deletes a manifest and reports tags of repository team/a that still exist, or exist again once the manifest is pushed by digest.
func deleteManifest(t *testing.T, s *filesystem.Store, i *storagetest.Image, gone ...string) {
	t.Helper()
	ctx, repo := context.Background(), storagetest.Repo(t, "team/a")
	if err := s.DeleteManifest(ctx, repo, i.Digest, false); err != nil {
		t.Fatalf("delete: %v", err)
	}
	if err := i.TryManifest(t, s, "team/a"); err != nil {
		t.Fatalf("push again: %v", err)
	}
	for _, tag := range gone {
		if d, err := s.ResolveTag(ctx, repo, storagetest.Tag(t, tag)); err == nil {
			t.Errorf("tag %s points to %s after its manifest was deleted", tag, d)
		}
	}
}

// pointLikeDistribution moves a tag as the filesystem driver of CNCF distribution v3.1 does: every link is a new file that is renamed to its place.
func pointLikeDistribution(t *testing.T, root, tag string, d digest.Digest) {
	t.Helper()
	for _, link := range []string{
		"revisions/sha256/" + d.Encoded(), "tags/" + tag + "/current", "tags/" + tag + "/index/sha256/" + d.Encoded(),
	} {
		dir := filepath.Join(root, team, link)
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		write(t, dir+"/link.tmp", []byte(d))
		if err := os.Rename(dir+"/link.tmp", dir+"/link"); err != nil {
			t.Fatal(err)
		}
	}
}

func logOf(root string) string { return filepath.Join(root, "packhouse/v1/index/tags/team)a") }

// TestIndexOfTagsHidesNone deletes a manifest after its log of tags became incomplete in every way.
func TestIndexOfTagsHidesNone(t *testing.T) {
	cut := func(t *testing.T, root string, keep int) {
		body, err := os.ReadFile(logOf(root))
		if err != nil {
			t.Fatal(err)
		}
		write(t, logOf(root), body[:min(keep, len(body))])
	}
	for name, harm := range map[string]func(t *testing.T, root string, one *storagetest.Image){
		"intact": func(*testing.T, string, *storagetest.Image) {},
		"distribution moved a tag": func(t *testing.T, root string, one *storagetest.Image) {
			pointLikeDistribution(t, root, "other", one.Digest)
		},
		"distribution added a tag": func(t *testing.T, root string, one *storagetest.Image) {
			pointLikeDistribution(t, root, "added", one.Digest)
		},
		"the log is missing": func(t *testing.T, root string, _ *storagetest.Image) {
			if err := os.Remove(logOf(root)); err != nil {
				t.Fatal(err)
			}
		},
		"the log is empty": func(t *testing.T, root string, _ *storagetest.Image) { cut(t, root, 0) },
		"a power cut lost the end of the log": func(t *testing.T, root string, _ *storagetest.Image) {
			cut(t, root, 150)
			write(t, filepath.Join(root, "packhouse/v1/lease/state.json"), []byte(`{"running":true,"boot":"another","mount":"another"}`))
		},
		"another version wrote without the log": func(t *testing.T, root string, _ *storagetest.Image) {
			if err := os.Remove(filepath.Join(root, "packhouse/v1/index/epoch")); err != nil {
				t.Fatal(err)
			}
			cut(t, root, 150)
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, filesystem.Options{Root: root})
			one, two := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil)
			two.Push(t, s, "team/a", "other", "kept")
			one.Push(t, s, "team/a", "v1", "v2")
			two.Push(t, s, "team/a", "v3")
			one.Push(t, s, "team/a", "v3")
			one.Push(t, s, "team/a", "moved")
			two.Push(t, s, "team/a", "moved")
			closing(t, s)
			harm(t, root, one)
			s = open(t, filesystem.Options{Root: root})
			defer closing(t, s)
			gone := []string{"v1", "v2", "v3"}
			if strings.HasPrefix(name, "distribution") {
				gone = append(gone, strings.Fields(name)[1]) // moved or added
				gone[3] = map[string]string{"moved": "other", "added": "added"}[gone[3]]
			}
			deleteManifest(t, s, one, gone...)
			two.Check(t, s, "team/a", "kept")
			two.Check(t, s, "team/a", "moved")
		})
	}
}

// TestIndexOfTagsSurvivesAPowerCut deletes the manifest after any part of the unsynced writes was lost.
func TestIndexOfTagsSurvivesAPowerCut(t *testing.T) {
	for _, barrier := range []string{filesystem.BarrierFiles, filesystem.BarrierAuto} {
		for seed := range uint64(30) {
			memory := inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: seed%2 == 0, Boot: "first"})
			opened := func(d disk.Disk) *filesystem.Store {
				s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{Barrier: barrier, Journal: smallJournal})
				if err != nil {
					t.Fatal(err)
				}
				return s
			}
			s := opened(memory)
			one := storagetest.NewImage(t, "one", nil)
			one.Push(t, s, "team/a", "v1")
			if seed%3 == 0 { // a log that an earlier run has completed
				closing(t, s)
				s = opened(memory)
			}
			one.Push(t, s, "team/a", "v2", "v3")
			chance := rand.New(rand.NewPCG(seed, 1))
			if seed < 2 {
				chance = nil
			}
			again := opened(memory.PowerCut(chance, "second"))
			deleteManifest(t, again, one, "v1", "v2", "v3")
			closing(t, again)
			closing(t, s)
		}
	}
}

// TestIndexOfTagsStaysSmall moves and deletes tags: the log does not keep what no longer counts, and still names what does.
func TestIndexOfTagsStaysSmall(t *testing.T) {
	memory := inmemory.NewDisk(inmemory.DiskOptions{})
	s, err := filesystem.OpenDisk(context.Background(), memory, filesystem.Options{Journal: smallJournal})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	ctx, repo := context.Background(), storagetest.Repo(t, "team/a")
	one, two := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil)
	two.Push(t, s, "team/a")
	one.Push(t, s, "team/a", "early")
	long := strings.Repeat("x", 100)
	for i := range 6000 {
		image := one
		if i%2 == 0 {
			image = two
		}
		if err := image.TryManifest(t, s, "team/a", "latest", fmt.Sprint(long, i)); err != nil {
			t.Fatal(err)
		}
		if err := s.DeleteTag(ctx, repo, storagetest.Tag(t, fmt.Sprint(long, i))); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := memory.Stat("packhouse/v1/index/tags/team)a"); err != nil || info.Size > 1<<20+1<<16 {
		t.Errorf("the log of two tags has %d bytes: %v", info.Size, err)
	}
	deleteManifest(t, s, one, "early", "latest")
	if err := two.TryManifest(t, s, "team/a", "latest"); err != nil {
		t.Fatal(err)
	}
	deleteManifest(t, s, two, "latest")
}

// TestDeletionsBesidePushes lets tags move while manifests are deleted, the log is scanned, and logs of other repositories replace it: no tag is
// left without a manifest.
func TestDeletionsBesidePushes(t *testing.T) {
	root := t.TempDir()
	ctx, repo := context.Background(), storagetest.Repo(t, "team/a")
	images := []*storagetest.Image{storagetest.NewImage(t, "a", nil), storagetest.NewImage(t, "b", nil), storagetest.NewImage(t, "c", nil)}
	remove := func(s *filesystem.Store, i *storagetest.Image) {
		if err := s.DeleteManifest(ctx, repo, i.Digest, false); err != nil && !errors.Is(err, storage.ErrManifestUnknown) {
			t.Error(err)
		}
	}
	for round := range 3 {
		s := open(t, filesystem.Options{Root: root})
		var all sync.WaitGroup
		for w := range 4 {
			all.Go(func() {
				for n := range 12 {
					i := images[(n+w)%3]
					if err := i.TryPush(t, s, "team/a", fmt.Sprint("t", n%7), fmt.Sprint("own", w)); err != nil {
						t.Error(err)
					}
					if err := i.TryPush(t, s, fmt.Sprintf("r%d/%d/%d", round, w, n), "v1"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for n := range 12 {
			remove(s, images[n%3])
		}
		all.Wait()
		if round == 2 {
			for _, i := range images {
				remove(s, i)
			}
			if tags := storagetest.Tags(t, s, "team/a", 100); len(tags) > 0 {
				t.Errorf("all manifests are deleted, these tags are left: %v", tags)
			}
			if entries, err := os.ReadDir(filepath.Join(root, team, "tags")); err != nil || len(entries) > 0 {
				t.Errorf("directories of tags are left: %v, %v", entries, err)
			}
		}
		closing(t, s)
		if err := os.Remove(filepath.Join(root, "packhouse/v1/index/epoch")); err != nil { // so that the next deletion scans
			t.Fatal(err)
		}
	}
}

// TestColdListingOfTags counts the calls of the disk that the first listing of all tags after a start costs.
func TestColdListingOfTags(t *testing.T) {
	measure := func(total int) int {
		f := &faulty{Disk: inmemory.NewDisk(inmemory.DiskOptions{Now: anHourAgo})}
		opened := func() *filesystem.Store {
			s, err := filesystem.OpenDisk(context.Background(), f, filesystem.Options{Journal: smallJournal})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := opened()
		image := storagetest.NewImage(t, "one", nil)
		image.Push(t, s, "team/a")
		for i := range total {
			if err := image.TryManifest(t, s, "team/a", fmt.Sprintf("t%05d", i)); err != nil {
				t.Fatal(err)
			}
		}
		closing(t, s)
		s = opened()
		defer closing(t, s)
		_ = storagetest.Repositories(t, s, 10) // waits for the work of the start
		before := f.count()
		page, more, err := s.Tags(context.Background(), storagetest.Repo(t, "team/a"), "", total)
		if err != nil || more || len(page) != total {
			t.Errorf("%d tags: %d, %t, %v", total, len(page), more, err)
		}
		return f.count() - before
	}
	for _, total := range []int{600, 1200} {
		if calls := measure(total); calls > 20 {
			t.Errorf("%d tags cost %d calls", total, calls)
		}
	}
}

// TestListingOfManyTags lists tags from the log after CNCF distribution changed some.
func TestListingOfManyTags(t *testing.T) {
	const total = 700
	root := t.TempDir()
	s := open(t, filesystem.Options{Root: root})
	one, two, three := storagetest.NewImage(t, "one", nil), storagetest.NewImage(t, "two", nil), storagetest.NewImage(t, "three", nil)
	var want []string
	for i := range total {
		tag := fmt.Sprintf("t%05d", i)
		want = append(want, tag)
		write(t, filepath.Join(root, team, "tags", tag, "current/link"), []byte(one.Digest)) // without a log
	}
	one.Push(t, s, "team/a", "moved")
	two.Push(t, s, "team/a", "moved", "dangling", "deleted")
	three.Push(t, s, "team/a", "gone", "moved")
	two.Push(t, s, "team/a", "moved")
	check := func(what string, others ...string) {
		t.Helper()
		if got := storagetest.Tags(t, s, "team/a", 5000); !slices.Equal(got, append(slices.Clone(others), want...)) {
			t.Errorf("%s: %d tags, beginning with %v, want %v and %d others", what, len(got), got[:min(5, len(got))], others, len(want))
		}
	}
	check("scanned", "dangling", "deleted", "gone", "moved")
	closing(t, s)
	for _, dir := range []string{"tags/deleted", "revisions/sha256/" + three.Digest.Encoded()} {
		if err := os.RemoveAll(filepath.Join(root, team, dir)); err != nil {
			t.Fatal(err)
		}
	}
	pointLikeDistribution(t, root, "added", one.Digest)
	write(t, filepath.Join(root, team, "tags/empty/current/link"), nil)
	for _, readOnly := range []bool{true, false} {
		s = open(t, filesystem.Options{Root: root, ReadOnly: readOnly})
		check(fmt.Sprintf("read-only %t", readOnly), "added", "dangling", "moved")
		closing(t, s)
	}
}
