package registry_test

import (
	"testing"

	"packhouse/server/registry"
	"packhouse/server/registry/registrytest"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
)

// engines are the stores that the protocol is checked over.
var engines = map[string]func(t *testing.T) storage.Store{
	"inmemory": memory,
	"filesystem": func(t *testing.T) storage.Store {
		store, err := filesystem.Open(t.Context(), filesystem.Options{Root: t.TempDir()})
		return opened(t, store, err)
	},
}

func memory(t *testing.T) storage.Store {
	store, err := inmemory.Open(t.Context(), filesystem.Options{})
	return opened(t, store, err)
}

func opened(t *testing.T, store storage.Store, err error) storage.Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func TestProtocol(t *testing.T) {
	for name, open := range engines {
		t.Run(name, func(t *testing.T) {
			registrytest.Run(t, func(t *testing.T) string {
				return registrytest.Serve(t, registry.Options{Store: open(t)})
			})
			registrytest.RunSparse(t, func(t *testing.T) string {
				return registrytest.Serve(t, registry.Options{Store: open(t), Sparse: true})
			})
		})
	}
}
