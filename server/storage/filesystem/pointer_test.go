package filesystem_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// lookalike is a disk whose tag links all look the same, as when one inode is used again within a tick of the clock. Between is called while
// one is read.
type lookalike struct {
	disk.Disk
	changed int64
	between func()
}

func (d *lookalike) Stat(name string) (disk.Info, error) {
	info, err := d.Disk.Stat(name)
	if strings.HasSuffix(name, "/current/link") {
		info.Inode, info.Changed, info.ModTime = 1, d.changed, time.Unix(0, d.changed)
	}
	return info, err
}

func (d *lookalike) Open(name string) (disk.File, error) {
	f, err := d.Disk.Open(name)
	if between := d.between; between != nil && strings.HasSuffix(name, "/current/link") {
		d.between = nil
		between()
	}
	return f, err
}

// TestATagThatMovesWhileItIsReadIsNotStuck moves a tag while its link is read: the reader may have either, whoever comes later has the new.
func TestATagThatMovesWhileItIsReadIsNotStuck(t *testing.T) {
	ctx := context.Background()
	d := &lookalike{Disk: inmemory.NewDisk(inmemory.DiskOptions{}), changed: time.Now().Add(time.Hour).UnixNano()}
	s, err := filesystem.OpenDisk(ctx, d, filesystem.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closing(t, s)
	before, after := storagetest.NewImage(t, "before", nil), storagetest.NewImage(t, "after", nil)
	before.Push(t, s, "a", "v1")
	repo, tag := storagetest.Repo(t, "a"), storagetest.Tag(t, "v1")
	d.between = func() { after.Push(t, s, "a", "v1") }
	if _, err := s.ResolveTag(ctx, repo, tag); err != nil {
		t.Fatal(err)
	}
	if got, err := s.ResolveTag(ctx, repo, tag); err != nil || got != after.Digest {
		t.Errorf("the tag points to %s, %v; want %s", got, err, after.Digest)
	}
}
