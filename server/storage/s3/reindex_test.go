package s3

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/reference"
	"packhouse/server/storage/storagetest"
)

// limitBucket records the limits of listings.
type limitBucket struct {
	*memoryBucket
	limits []int
}

func (b *limitBucket) list(ctx context.Context, prefix, after string, limit int, folders bool) (page, error) {
	b.limits = append(b.limits, limit)
	return b.memoryBucket.list(ctx, prefix, after, limit, folders)
}

// TestListingsLookAheadWithFewKeys verifies that a full page lists few keys to see whether names follow,
// and more only if those are not visible.
func TestListingsLookAheadWithFewKeys(t *testing.T) {
	b := &limitBucket{memoryBucket: newMemoryBucket()}
	s := newStoreOn(b)
	for i := range 4000 {
		name := fmt.Sprintf("r%04d", i)
		b.set(repositoryEntry(name), []byte(name))
		b.set(tagEntry("a", name), []byte(name))
	}
	expect := func(what string, more, wantMore bool, err error, want ...int) {
		t.Helper()
		if err != nil || more != wantMore || !slices.Equal(b.limits, want) {
			t.Errorf("%s: limits %v, more %t, %v; want %v, %t", what, b.limits, more, err, want, wantMore)
		}
		b.limits = nil
	}
	all := func(reference.Repository) bool { return true }
	_, more, err := s.Repositories(t.Context(), "", 1000, all)
	expect("repositories", more, true, err, 1000, 16)
	first := func(r reference.Repository) bool { return r.String() < "r1000" || r.String() == "r2100" }
	_, more, err = s.Repositories(t.Context(), "", 1000, first)
	expect("rules that accept one far behind", more, true, err, 1000, 16, 128, 1000)
	some := func(r reference.Repository) bool { return r.String() < "r1000" }
	_, more, err = s.Repositories(t.Context(), "", 1000, some)
	expect("rules that accept none behind", more, false, err, 1000, 16, 128, 1000, 1000, 1000)
	_, more, err = s.Tags(t.Context(), storagetest.Repo(t, "a"), "", 1000)
	expect("tags", more, true, err, 1000, 16)
	_, more, err = s.Tags(t.Context(), storagetest.Repo(t, "a"), "", 100)
	expect("a small page of tags", more, true, err, 101)
}

// heldBucket holds reads of blobs back until it is released.
type heldBucket struct {
	*memoryBucket
	released chan struct{}
}

func (b *heldBucket) get(
	ctx context.Context, key, etag string, offset, length int64,
) (io.ReadCloser, object, error) {
	if strings.HasPrefix(key, blobsDir) {
		select {
		case <-b.released:
		case <-ctx.Done():
			return nil, object{}, ctx.Err()
		}
	}
	return b.memoryBucket.get(ctx, key, etag, offset, length)
}

// foreign returns a bucket as CNCF distribution would have filled it.
func foreign(t *testing.T, repositories int) *memoryBucket {
	t.Helper()
	b := newMemoryBucket()
	s := openMemory(t, b, nil)
	image := storagetest.NewImage(t, "one", nil)
	for i := range repositories {
		image.Push(t, s, fmt.Sprintf("team/r%03d", i), "v1")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, key := range b.keys(ours) {
		delete(b.objects, key)
	}
	return b
}

// TestCatalogComesFirst verifies that the catalog of a bucket that another server filled does not wait
// until every manifest is read, and that listings of tags do.
func TestCatalogComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := foreign(t, 3)
		b := &heldBucket{memory, make(chan struct{})}
		s, err := openBucket(t.Context(), b, Options{Log: testLog(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of the bubble's clock
		defer cancel()
		page, more, err := s.Repositories(ctx, "", 10, nil)
		if err != nil || more || len(page) != 3 {
			t.Errorf("repositories %v, %t, %v, want 3", page, more, err)
		}
		if _, _, err := s.Tags(ctx, storagetest.Repo(t, "team/r000"), "", 10); err == nil {
			t.Error("tags were listed before their index was complete")
		}
		close(b.released)
		if tags, _, err := s.Tags(t.Context(), storagetest.Repo(t, "team/r000"), "", 10); err != nil || len(tags) != 1 {
			t.Errorf("tags %v, %v, want one", tags, err)
		}
	})
}

// TestFirstIndexListsPagesOnly verifies that the first index sends no listing for each repository.
func TestFirstIndexListsPagesOnly(t *testing.T) {
	lists := func(repositories int) int {
		b := foreign(t, repositories)
		clear(b.counts)
		s := openMemory(t, b, nil)
		defer s.Close()
		if tags := storagetest.Tags(t, s, "team/r000", 1); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("tags %v, want v1", tags)
		}
		return b.counts["list"]
	}
	if few, many := lists(1), lists(50); few != many {
		t.Errorf("%d listings for 1 repository, %d for 50", few, many)
	}
}

// TestIndexYieldsToClients verifies that comparing the index waits while clients list, for a second at
// most for each request.
func TestIndexYieldsToClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newMemoryBucket()
		s := newStoreOn(b)
		wait := func() time.Duration {
			began := time.Now()
			if _, err := (yielding{b, s}).list(t.Context(), ours, "", 1, false); err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		if took := wait(); took != 0 {
			t.Errorf("without clients: waited %v", took)
		}
		end := s.listing()
		if took := wait(); took != mostYielded {
			t.Errorf("while a client lists: waited %v, want %v", took, mostYielded)
		}
		end()
		if took := wait(); took != calm {
			t.Errorf("after a client listed: waited %v, want %v", took, calm)
		}
	})
}
