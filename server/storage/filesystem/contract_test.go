package filesystem_test

import (
	"cmp"
	"context"
	"testing"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

// open opens a store, by default with a journal that is quick to create.
func open(t testing.TB, o filesystem.Options) *filesystem.Store {
	t.Helper()
	o.Journal = cmp.Or(o.Journal, 1<<20)
	s, err := filesystem.Open(context.Background(), o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func TestContract(t *testing.T) {
	for _, barrier := range []string{filesystem.BarrierFiles, filesystem.BarrierAuto} {
		t.Run(barrier, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Store {
				return open(t, filesystem.Options{Root: t.TempDir(), Barrier: barrier})
			})
		})
	}
}
