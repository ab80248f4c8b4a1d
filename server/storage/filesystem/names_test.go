package filesystem_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// TestRepositoryNameIsWrittenAgain fails the sync of the names file in the first push to a repository. The next
// push must not rely on a second sync of the same bytes.
func TestRepositoryNameIsWrittenAgain(t *testing.T) {
	const names = "packhouse/v1/index/repositories"
	d := inmemory.NewDisk(inmemory.DiskOptions{Durability: true})
	s, err := filesystem.OpenDisk(context.Background(), d, filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	storagetest.PushBlob(t, s, "team/started", []byte("the work of the start is done"))
	d.BreakWrites(only(names))
	if storagetest.TryBlob(s, storagetest.Repo(t, "team/new"), []byte("refused")) == nil {
		t.Error("the push was acknowledged")
	}
	d.BreakWrites(nil)
	storagetest.PushBlob(t, s, "team/new", []byte("taken"))
	f, err := d.PowerCut(nil, "second").Open(names)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !strings.Contains(string(got), "team/new\n") {
		t.Errorf("names: %q, %v", got, err)
	}
}
