package filesystem_test

import (
	"context"
	"testing"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/storagetest"
)

func open(t testing.TB, o filesystem.Options) *filesystem.Store {
	t.Helper()
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
