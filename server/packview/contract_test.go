package packview_test

import (
	"testing"

	"packhouse/server/packview/packviewtest"
	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
)

func TestContract(t *testing.T) {
	for name, open := range map[string]func(*testing.T) (storage.Store, error){
		"filesystem": func(t *testing.T) (storage.Store, error) {
			return filesystem.Open(t.Context(), filesystem.Options{Root: t.TempDir()})
		},
		"inmemory": func(t *testing.T) (storage.Store, error) { return inmemory.Open(t.Context(), filesystem.Options{}) },
	} {
		t.Run(name, func(t *testing.T) {
			packviewtest.Run(t, func(t *testing.T) storage.Store {
				s, err := open(t)
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}
