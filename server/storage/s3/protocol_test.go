package s3

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"packhouse/server/registry"
	"packhouse/server/registry/registrytest"
)

// inTurns is a load balancer without a memory: each request goes to the next process.
func inTurns(t *testing.T, all []*Store) string {
	t.Helper()
	handlers := make([]http.Handler, 0, len(all))
	for _, s := range all {
		handlers = append(handlers, registrytest.Handler(registry.Options{Store: s}))
	}
	var n atomic.Uint64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[n.Add(1)%uint64(len(handlers))].ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestProtocol runs the protocol suite through three processes in turns.
func TestProtocol(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		b := newMemoryBucket()
		var all []*Store
		for range 3 {
			s := openMemory(t, b, nil)
			t.Cleanup(func() { _ = s.Close() })
			all = append(all, s)
		}
		registrytest.Run(t, func(t *testing.T) string { return inTurns(t, all) })
		registrytest.RunSparse(t, func(t *testing.T) string {
			return registrytest.Serve(t, registry.Options{Store: all[0], Sparse: true})
		})
	})
	t.Run("engine", func(t *testing.T) {
		cfg := startEngine(t)
		var all []*Store
		for range 3 {
			all = append(all, openEngine(t, cfg, nil))
		}
		registrytest.Run(t, func(t *testing.T) string { return inTurns(t, all) })
	})
}
