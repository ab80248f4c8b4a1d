package storagetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"packhouse/server/storage"
)

// derivedRecords checks that a record is returned as it was written, that one larger than the
// reader's limit is rejected, and that a removed one is gone.
func derivedRecords(t *testing.T, s storage.Store) {
	d, ok := s.(storage.Derived)
	if !ok {
		t.Skip("the store keeps no derived records")
	}
	const name = "2/sha256/ab/abcd.json"
	read := func(most int64) (string, error) {
		content, err := d.ReadDerived(t.Context(), name, most)
		return string(content), err
	}
	if _, err := read(storage.MaxDerived); !errors.Is(err, storage.ErrNotDerived) {
		t.Errorf("before it is written: %v", err)
	}
	for _, content := range []string{"first", "", strings.Repeat("second", 100_000)} {
		if err := d.WriteDerived(t.Context(), name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := read(int64(len(content))); err != nil || got != content {
			t.Errorf("%d bytes, %v; want %d", len(got), err, len(content))
		}
		if content == "" {
			continue
		}
		if got, err := read(int64(len(content)) - 1); !errors.Is(err, storage.ErrDerivedTooBig) || got != "" {
			t.Errorf("%d bytes, %v; want none of %d", len(got), err, len(content))
		}
	}
	listed := func(folder string, want ...string) {
		t.Helper()
		var got []string
		err := d.ListDerived(t.Context(), folder, func(name string) error {
			got = append(got, name)
			return nil
		})
		slices.Sort(got)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("in %s: %v, %v; want %v", folder, got, err, want)
		}
	}
	if err := d.WriteDerived(t.Context(), "22/sha256/cd/cdef.json", []byte("other")); err != nil {
		t.Fatal(err)
	}
	listed("2/", name)
	listed("2/sha256/ab/", name)
	listed("22/", "22/sha256/cd/cdef.json")
	listed("3/")
	for range 2 {
		if err := d.RemoveDerived(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if _, err := read(storage.MaxDerived); !errors.Is(err, storage.ErrNotDerived) {
		t.Errorf("after it is removed: %v", err)
	}
}
