package s3

import (
	"errors"
	"testing"

	"packhouse/server/storage"
)

func TestDerivedRecords(t *testing.T) {
	s := openMemory(t, newMemoryBucket(), nil)
	const name = "1/sha256/ab/abcd.json"
	if _, err := s.ReadDerived(t.Context(), name, storage.MaxDerived); !errors.Is(err, storage.ErrNotDerived) {
		t.Errorf("before it was written: %v", err)
	}
	for _, content := range []string{"first", "second"} {
		if err := s.WriteDerived(t.Context(), name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ReadDerived(t.Context(), name, storage.MaxDerived); err != nil || string(got) != content {
			t.Errorf("%q, %v; want %q", got, err, content)
		}
	}
	if err := s.RemoveDerived(t.Context(), name); err != nil {
		t.Error(err)
	}
	if _, err := s.ReadDerived(t.Context(), name, storage.MaxDerived); !errors.Is(err, storage.ErrNotDerived) {
		t.Errorf("after it was removed: %v", err)
	}
}
