package s3

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/storagetest"
)

// TestIndexIsMadeForAForeignBucket opens a bucket that somebody else filled, and one that somebody else changed.
func TestIndexIsMadeForAForeignBucket(t *testing.T) {
	b, s, _ := aged(t)
	subject := storagetest.NewImage(t, "subject", nil)
	signature := storagetest.NewImage(t, "signature", subject)
	subject.Push(t, s, "a/b", "v1", "v-2")
	signature.Push(t, s, "a/b")
	subject.Push(t, s, "a-b", "v1")
	check := func(s *Store, what string) {
		t.Helper()
		if got := storagetest.Repositories(t, s, 1); !slices.Equal(got, []string{"a-b", "a/b"}) {
			t.Errorf("%s: repositories %v", what, got)
		}
		if got := storagetest.Tags(t, s, "a/b", 1); !slices.Equal(got, []string{"v-2", "v1"}) {
			t.Errorf("%s: tags %v", what, got)
		}
		found, err := s.Referrers(t.Context(), storagetest.Repo(t, "a/b"), subject.Digest)
		if err != nil || len(found) != 1 || found[0].Digest != signature.Digest {
			t.Errorf("%s: referrers %v, %v", what, found, err)
		}
	}
	check(s, "as pushed")
	whole := maps.Clone(b.objects)
	reopened := func() *Store {
		s := openMemory(t, b, func(o *Options) { o.Now = b.clock })
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	for _, key := range b.keys(ours) {
		delete(b.objects, key)
	}
	check(reopened(), "never seen")

	// Changed by somebody who does not know of the index, with a stale entry beside.
	b.objects = maps.Clone(whole)
	delete(b.objects, tagEntry("a/b", "v1"))
	delete(b.objects, repositoryEntry("a-b"))
	delete(b.objects, referrerKey("a/b", subject.Digest, signature.Digest))
	b.set(tagEntry("a/b", "gone"), []byte("gone"))
	again := reopened()
	if r, err := again.Reindex(t.Context()); err != nil || r != (storage.ReindexReport{Repositories: 2, Tags: 3, Referrers: 1}) {
		t.Errorf("%+v, %v", r, err)
	}
	check(again, "changed")
}

// TestPagesCostTheSame counts the requests of one page in small and large stores.
func TestPagesCostTheSame(t *testing.T) {
	costs := map[int]map[string]int{}
	for _, n := range []int{1000, 100_000} {
		b := newMemoryBucket()
		s := openMemory(t, b, nil)
		for i := range n {
			name := fmt.Sprintf("team-%d/app.%d", i%7, i)
			b.set(repositoryEntry(name), []byte(name))
			b.set(tagEntry("a", name[5:6]+fmt.Sprint(i)), []byte("t"))
		}
		clear(b.counts)
		page, more, err := s.Repositories(t.Context(), "team-3/app.5", 100, nil)
		if err != nil || !more || len(page) != 100 || !slices.IsSorted(page) {
			t.Fatal(len(page), more, err)
		}
		if _, _, err := s.Tags(t.Context(), storagetest.Repo(t, "a"), "3", 100); err != nil {
			t.Fatal(err)
		}
		costs[n] = maps.Clone(b.counts)
	}
	if !maps.Equal(costs[1000], costs[100_000]) || costs[1000]["list"] != 2 || len(costs[1000]) != 1 {
		t.Errorf("%v", costs)
	}
}

// TestAFolderCostsWhatIsInIt lists ten packs before 10,000 other repositories: those that nobody asked for are not listed.
func TestAFolderCostsWhatIsInIt(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	const folder = "spectro-packs/archive/"
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("%spack-%d", folder, i))
		b.set(repositoryEntry(want[i]), []byte("p"))
	}
	for i := range 10_000 {
		b.set(repositoryEntry(fmt.Sprintf("%s/app.%d", []string{"a", "spectro-packs/archive-2", "z"}[i%3], i)), []byte("r"))
	}
	clear(b.counts)
	for last, want := range map[string][]string{"": want, folder: want, folder + "pack-6": want[7:], folder + "zzz": {}} {
		page, more, err := storage.RepositoriesIn(t.Context(), s, folder, last, 100, func(reference.Repository) bool { return true })
		if err != nil || more || !slices.Equal(page, want) {
			t.Errorf("after %q: %v, %v, %v", last, page, more, err)
		}
	}
	if b.counts["list"] != 4 || len(b.counts) != 1 {
		t.Errorf("%v", b.counts)
	}
}

// TestCosts holds the number of requests of what happens all day, which docs/scaling.md tells.
func TestCosts(t *testing.T) {
	b := newMemoryBucket()
	s := openMemory(t, b, func(o *Options) { o.Settle = 24 * time.Hour }) // what was looked at is good for a twelfth of it, however slow the machine is
	image, repo := storagetest.NewImage(t, "one", nil), storagetest.Repo(t, "a")
	image.Push(t, s, "a", "warm")
	second := storagetest.NewImage(t, "two", nil)
	cost := func(what string, want string, do func() error) {
		t.Helper()
		b.mu.Lock()
		clear(b.counts)
		b.mu.Unlock()
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		var parts []string
		for _, verb := range slices.Sorted(maps.Keys(b.counts)) {
			parts = append(parts, fmt.Sprintf("%d %s", b.counts[verb], verb))
		}
		if got := strings.Join(parts, ", "); got != want {
			t.Errorf("%s costs %s; want %s", what, got, want)
		}
	}
	ctx := t.Context()
	cost("a small blob, digest known", "2 put", func() error { return storagetest.TryBlob(s, repo, second.Layer) })
	cost("another", "2 put", func() error { return storagetest.TryBlob(s, repo, second.Config) })
	cost("a manifest with two blobs and a new tag", "1 get, 5 head, 5 put", func() error { return second.TryManifest(t, s, "a", "v1") })
	cost("the same again", "1 get, 4 head, 2 put", func() error { return second.TryManifest(t, s, "a", "v1") })
	third := storagetest.NewImage(t, "three", nil)
	storagetest.PushBlob(t, s, "a", third.Config)
	storagetest.PushBlob(t, s, "a", third.Layer)
	cost("a manifest with two blobs and a tag that moves", "1 get, 5 head, 4 put", func() error { return third.TryManifest(t, s, "a", "v1") })
	cost("HEAD of a blob by a pusher", "2 head", func() error {
		_, err := s.StatBlob(ctx, repo, digest.FromBytes(second.Layer), true)
		return err
	})
	cost("GET of a blob", "1 get, 1 head", func() error {
		_, err := storagetest.ReadBlob(s, repo, digest.FromBytes(second.Layer))
		return err
	})
	cost("a tag", "1 get", func() error {
		_, err := s.ResolveTag(ctx, repo, storagetest.Tag(t, "v1"))
		return err
	})
	cost("a manifest read before", "1 head", func() error {
		_, err := s.GetManifest(ctx, repo, second.Digest, false)
		return err
	})
	o := storage.Owner{Repository: repo, User: ann}
	var u storage.Upload
	cost("beginning an upload", "1 put", func() (err error) {
		u, err = s.StartUpload(ctx, o, digest.SHA256)
		return err
	})
	cost("a short chunk", "1 get, 1 put", func() error {
		_, err := s.AppendUpload(ctx, o, u.ID, 0, bytes.NewReader([]byte("chunk")), 5)
		return err
	})
	cost("finishing it", "1 delete, 1 get, 3 put", func() error {
		return s.FinishUpload(ctx, o, u.ID, 5, nil, 0, digest.FromString("chunk"))
	})
}
