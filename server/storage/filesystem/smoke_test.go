package filesystem_test

import (
	"context"
	"testing"

	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

func TestSmoke(t *testing.T) {
	root := t.TempDir()
	open := func() *filesystem.Store {
		s, err := filesystem.Open(context.Background(), filesystem.Options{Root: root})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	i := storagetest.NewImage(t, "one", nil)
	i.Push(t, s, "a/b", "v1", "v2")
	i.Check(t, s, "a/b", "v1", "v2")
	t.Log(storagetest.Repositories(t, s, 1), storagetest.Tags(t, s, "a/b", 1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	i.Check(t, s, "a/b", "v1", "v2")
	s.Close()
	m, err := inmemory.Open(context.Background(), filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	i.Push(t, m, "a/b", "v1", "v2")
	i.Check(t, m, "a/b", "v1", "v2")
}
