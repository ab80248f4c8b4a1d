package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/opencontainers/go-digest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/reference"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// sizedStore is a store of referrers that counts the bytes that it returns. Calls with a page of more than 256 KiB wait
// until the test closes finish, if it is not nil.
type sizedStore struct {
	double
	all    []storage.Referrer
	read   atomic.Int64
	active atomic.Int32
	finish chan struct{}
}

func newSizedStore(t *testing.T, sizes ...int) *sizedStore {
	t.Helper()
	s := &sizedStore{}
	for i, size := range sizes {
		d := digest.FromString(fmt.Sprint(i))
		content, err := json.Marshal(manifest.Descriptor{
			MediaType: manifest.OCIManifest, Digest: d, Annotations: map[string]string{"a": strings.Repeat("a", size)},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.all = append(s.all, storage.Referrer{Digest: d, Content: content})
	}
	slices.SortFunc(s.all, func(a, b storage.Referrer) int { return strings.Compare(string(a.Digest), string(b.Digest)) })
	return s
}

// ReferrersAfter implements storage.ReferrerPages.
func (s *sizedStore) ReferrersAfter(
	_ context.Context, _ reference.Repository, _, last digest.Digest, n, size int,
) (page []storage.Referrer, next digest.Digest, err error) {
	if size > 256<<10 && s.finish != nil {
		s.active.Add(1)
		<-s.finish
		s.active.Add(-1)
	}
	for _, r := range s.all {
		if r.Digest <= last {
			continue
		}
		if size -= len(r.Content); size < 0 || len(page) == n {
			if len(page) == 0 {
				return nil, "", storage.ErrPageTooSmall
			}
			return page, page[len(page)-1].Digest, nil
		}
		s.read.Add(int64(len(r.Content)))
		page = append(page, r)
	}
	return page, "", nil
}

// TestPagesOfReferrersAreBounded counts the bytes of each page: 1 MiB of descriptors at most, or a single one.
func TestPagesOfReferrersAreBounded(t *testing.T) {
	sizes := slices.Repeat([]int{50_000}, 150)
	sizes[7], sizes[70] = 3<<20, 1<<20+1
	store := newSizedStore(t, sizes...)
	g := registry.New(registry.Options{Store: store})
	seen, target := map[digest.Digest]bool{}, "/v2/a/referrers/"+digest.FromString("x").String()
	for pages := 0; target != ""; pages++ {
		if pages == len(sizes) {
			t.Fatal("the pages do not end")
		}
		req, r := parse(t, "GET", target)
		store.read.Store(0)
		w := serve(t, g, auth.Grant{Request: req}, r)
		var index struct{ Manifests []manifest.Descriptor }
		if err := json.Unmarshal(w.Body.Bytes(), &index); err != nil {
			t.Fatal(err)
		}
		if n := w.Body.Len(); n > 1<<20+1024 && len(index.Manifests) > 1 || fmt.Sprint(n) != w.Header().Get("Content-Length") {
			t.Errorf("a page of %d bytes with %d referrers", n, len(index.Manifests))
		}
		if n := store.read.Load(); n > int64(w.Body.Len()) {
			t.Errorf("%d bytes were read for a page of %d", n, w.Body.Len())
		}
		for _, d := range index.Manifests {
			seen[d.Digest] = true
		}
		target, _, _ = strings.Cut(strings.TrimPrefix(w.Header().Get("Link"), "<"), ">")
	}
	if len(seen) != len(sizes) {
		t.Errorf("%d of %d referrers", len(seen), len(sizes))
	}
}

// TestLargeListingsTakeTurns lists many referrers 20 times at once: four of the listings read at a time, and a short one
// does not wait for them.
func TestLargeListingsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newSizedStore(t, slices.Repeat([]int{50_000}, 50)...)
		store.finish = make(chan struct{})
		g := registry.New(registry.Options{Store: store})
		var lists sync.WaitGroup
		var done atomic.Int32
		list := func(query string) {
			req, r := parse(t, "GET", "/v2/a/referrers/"+digest.FromString("x").String()+query)
			lists.Go(func() {
				serve(t, g, auth.Grant{Request: req}, r)
				done.Add(1)
			})
		}
		for range 20 {
			list("")
		}
		synctest.Wait()
		if n := store.active.Load(); n != 4 {
			t.Errorf("%d large listings are read at once, want 4", n)
		}
		list("?n=2")
		synctest.Wait()
		if done.Load() != 1 {
			t.Error("a short listing waits for large ones")
		}
		close(store.finish)
		lists.Wait()
	})
}
