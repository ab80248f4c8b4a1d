package registry_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"packhouse/server/auth"
	"packhouse/server/manifest"
	"packhouse/server/registry"
	"packhouse/server/storage"
)

// slowStore is a store whose PutManifest waits until the test closes finish.
type slowStore struct {
	storage.Store
	finish chan struct{}
	active atomic.Int32
	most   atomic.Int32
}

func (s *slowStore) PutManifest(context.Context, storage.Put) error {
	now := s.active.Add(1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	<-s.finish
	s.active.Add(-1)
	return nil
}

// TestLargeManifestsTakeTurns pushes many manifests of the maximum size at once: the server parses and stores two at a
// time, and an ordinary manifest does not wait for them.
func TestLargeManifestsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{finish: make(chan struct{})}
		g := registry.New(registry.Options{Store: store})
		index := func(size int) string {
			const head = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"a":"`
			return head + strings.Repeat("x", size-len(head)-3) + `"}}`
		}
		var pushes sync.WaitGroup
		var created atomic.Int32
		push := func(size int) {
			req, _ := parse(t, "PUT", "/v2/a/manifests/v1")
			r, err := http.NewRequestWithContext(t.Context(), "PUT", "/v2/a/manifests/v1", strings.NewReader(index(size)))
			if err != nil {
				t.Fatal(err)
			}
			pushes.Go(func() {
				if serve(t, g, auth.Grant{Request: req}, r).Code == http.StatusCreated {
					created.Add(1)
				}
			})
		}
		for range 8 {
			push(manifest.MaxSize)
		}
		synctest.Wait()
		if n := store.active.Load(); n != 2 {
			t.Errorf("%d large manifests are stored at once, want 2", n)
		}
		push(1 << 10)
		synctest.Wait()
		if n := store.active.Load(); n != 3 {
			t.Error("a small manifest waits for large ones")
		}
		close(store.finish)
		pushes.Wait()
		if n := created.Load(); n != 9 {
			t.Errorf("%d of 9 pushes succeed", n)
		}
	})
}
