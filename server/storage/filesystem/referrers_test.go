package filesystem_test

import (
	"context"
	"fmt"
	"path"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// TestAPageOfReferrersCostsAPage counts the files that are read: a page costs as much with many referrers as with few.
func TestAPageOfReferrersCostsAPage(t *testing.T) {
	ctx := context.Background()
	f := &faulty{Disk: inmemory.NewDisk(inmemory.DiskOptions{}), only: "open"}
	s, err := filesystem.OpenDisk(ctx, f, filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	subject, repo := storagetest.NewImage(t, "subject", nil), storagetest.Repo(t, "a")
	subject.Push(t, s, "a")
	const all = 60
	want := map[digest.Digest]bool{}
	for i := range all {
		r := storagetest.NewImage(t, fmt.Sprint(i), subject)
		r.Push(t, s, "a")
		want[r.Digest] = true
		if i%2 == 0 {
			if err := s.DeleteManifest(ctx, repo, r.Digest, false); err != nil {
				t.Fatal(err)
			}
			delete(want, r.Digest)
		}
	}
	if _, err := s.Reindex(ctx); err != nil { // and so the work of the start is done
		t.Fatal(err)
	}
	if _, err := s.Referrers(ctx, repo, subject.Digest); err != nil {
		t.Fatal(err)
	}
	before := f.count()
	page, next, err := s.ReferrersAfter(ctx, repo, subject.Digest, "", 7, storage.MostReferrer)
	if err != nil || next == "" || len(page) == 0 || len(page) > 7 {
		t.Errorf("%d, next %q, %v", len(page), next, err)
	}
	if n := f.count() - before; n > len(page) {
		t.Errorf("%d files were opened for a page of %d", n, len(page))
	}
	for _, size := range []int{1, 7, all, 10 * all} {
		seen, last, pages := map[digest.Digest]bool{}, digest.Digest(""), 0
		for pages = 1; pages <= all+1; pages++ {
			page, next, err := s.ReferrersAfter(ctx, repo, subject.Digest, last, size, storage.MostReferrer)
			if err != nil || len(page) > size {
				t.Fatalf("%d of %d, %v", len(page), size, err)
			}
			for _, d := range page {
				if d.Digest <= last || !want[d.Digest] {
					t.Errorf("%s comes after %s", d.Digest, last)
				}
				seen[d.Digest], last = true, d.Digest
			}
			if next == "" {
				break
			}
			last = next
		}
		if len(seen) != len(want) || pages > all+1 {
			t.Errorf("pages of %d: %d of %d, in %d pages", size, len(seen), len(want), pages)
		}
	}
}

// TestEmptyRecordOfAReferrerHeals: a scan writes records without a sync, so a power cut may empty one.
func TestEmptyRecordOfAReferrerHeals(t *testing.T) {
	memory := inmemory.NewDisk(inmemory.DiskOptions{})
	s, err := filesystem.OpenDisk(context.Background(), memory, filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	subject := storagetest.NewImage(t, "subject", nil)
	subject.Push(t, s, "a")
	storagetest.NewImage(t, "one", subject).Push(t, s, "a")
	list := func() int {
		t.Helper()
		found, err := s.Referrers(context.Background(), storagetest.Repo(t, "a"), subject.Digest)
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	for _, name := range filesBelow(t, memory, "packhouse/v1/refs") {
		if path.Base(name) == "scanned" {
			continue
		}
		f, err := memory.Reopen(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if n := list(); n != 1 {
			t.Errorf("%s is empty: %d referrers", name, n)
		}
		if info, err := memory.Stat(name); err != nil || info.Size == 0 {
			t.Errorf("%s was not written again: %v", name, err)
		}
	}
}
