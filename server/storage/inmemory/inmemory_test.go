package inmemory_test

import (
	"context"
	"testing"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		s, err := inmemory.Open(context.Background(), filesystem.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
