package filesystem_test

import (
	"bytes"
	"errors"
	"testing"

	"packhouse/server/storage"
	"packhouse/server/storage/filesystem"
)

func TestDerivedRecords(t *testing.T) {
	root := t.TempDir()
	s, err := filesystem.Open(t.Context(), filesystem.Options{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	const name = "1/sha256/ab/abcd.json"
	if _, err := s.ReadDerived(t.Context(), name, storage.MaxDerived); !errors.Is(err, storage.ErrNotDerived) {
		t.Errorf("before it was written: %v", err)
	}
	for _, content := range []string{"first", "", "second, longer"} {
		if err := s.WriteDerived(t.Context(), name, []byte(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.ReadDerived(t.Context(), name, storage.MaxDerived); err != nil || !bytes.Equal(got, []byte(content)) {
			t.Errorf("%q, %v; want %q", got, err, content)
		}
	}
	for _, bad := range []string{"", ".", "..", "../stage/x", "/x", "a//b", "a/../b", `a\b`, "a\x00"} {
		if err := s.WriteDerived(t.Context(), bad, nil); err == nil {
			t.Errorf("%q was written", bad)
		}
		if _, err := s.ReadDerived(t.Context(), bad, storage.MaxDerived); err == nil || errors.Is(err, storage.ErrNotDerived) {
			t.Errorf("%q was read: %v", bad, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = filesystem.Open(t.Context(), filesystem.Options{Root: root, ReadOnly: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ReadDerived(t.Context(), name, storage.MaxDerived); err != nil || string(got) != "second, longer" {
		t.Errorf("after a restart: %q, %v", got, err)
	}
	if err := s.WriteDerived(t.Context(), name, nil); !errors.Is(err, storage.ErrReadOnly) {
		t.Errorf("written to what is read-only: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = filesystem.Open(t.Context(), filesystem.Options{Root: root}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if err := s.RemoveDerived(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.ReadDerived(t.Context(), name, storage.MaxDerived); !errors.Is(err, storage.ErrNotDerived) {
		t.Errorf("after it was removed: %v", err)
	}
}
