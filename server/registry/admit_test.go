package registry_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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

// stream is a body that the test sends.
type stream struct {
	io.Reader
	began *atomic.Int32
	once  sync.Once
}

func (s *stream) Read(p []byte) (int, error) {
	s.once.Do(func() { s.began.Add(1) })
	return s.Reader.Read(p)
}

// TestLargeBodiesAreReadInTurn pushes 60 large manifests whose clients send nothing: the server reads eight of them, and
// a small manifest does not wait. A client that sends slowly loses its place after 30 seconds.
func TestLargeBodiesAreReadInTurn(t *testing.T) {
	for name, length := range map[string]int64{"with length": manifest.MaxSize, "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := registry.New(registry.Options{Store: &slowStore{}})
				var began, status atomic.Int32
				var pushes sync.WaitGroup
				push := func(body io.Reader, length int64) {
					req, _ := parse(t, "PUT", "/v2/a/manifests/v1")
					r, err := http.NewRequestWithContext(t.Context(), "PUT", "/v2/a/manifests/v1", body)
					if err != nil {
						t.Fatal(err)
					}
					r.ContentLength = length
					pushes.Go(func() { status.Store(int32(serve(t, g, auth.Grant{Request: req}, r).Code)) }) //nolint:gosec // a status
				}
				var sent []*io.PipeWriter
				for range 60 {
					from, to := io.Pipe()
					sent = append(sent, to)
					if length < 0 { // counts what follows the first 256 KiB
						push(io.MultiReader(strings.NewReader(strings.Repeat(" ", 256<<10)), &stream{Reader: from, began: &began}), length)
					} else {
						push(&stream{Reader: from, began: &began}, length)
					}
				}
				synctest.Wait()
				if n := began.Load(); n != 8 {
					t.Errorf("%d large bodies are read at once, want 8", n)
				}
				push(strings.NewReader("{}"), 2)
				synctest.Wait()
				if status.Load() != http.StatusBadRequest {
					t.Error("a small manifest waits for large ones")
				}
				time.Sleep(31 * time.Second) // of the clock of the bubble
				for _, to := range sent {
					go func() {
						_, _ = to.Write([]byte(" "))
						time.Sleep(31 * time.Second)
						_ = to.Close()
					}()
				}
				pushes.Wait()
				if n := began.Load(); n != 60 {
					t.Errorf("%d of 60 bodies were read", n)
				}
			})
		})
	}
}
