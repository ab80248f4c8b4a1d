package filesystem_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"

	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/filesystem"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// rotting is a disk on which some files read otherwise than they were written, and nothing else tells.
type rotting struct {
	*inmemory.Disk
	inode atomic.Uint64
	fails atomic.Bool // reading returns an error instead
}

func (d *rotting) rot(t *testing.T, name string, fails bool) {
	t.Helper()
	info, err := d.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	d.fails.Store(fails)
	d.inode.Store(info.Inode)
}

func (d *rotting) Open(name string) (disk.File, error) {
	f, err := d.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Inode != d.inode.Load() {
		return f, err
	}
	return &rottenFile{f, d}, nil
}

type rottenFile struct {
	disk.File
	d *rotting
}

func (f *rottenFile) Content() io.ReadSeeker { return io.NewSectionReader(f, 0, 1<<20) }

func (f *rottenFile) ReadAt(p []byte, at int64) (int, error) {
	if f.d.fails.Load() {
		return 0, errDevice
	}
	n, err := f.File.ReadAt(p, at)
	if n > 0 {
		p[0] ^= 1
	}
	return n, err
}

// TestPushHealsWhatWasVerified damages content that the process wrote or verified, and finds the damage. Pushing
// the good bytes again heals it without a restart.
func TestPushHealsWhatWasVerified(t *testing.T) {
	ctx := context.Background()
	image := storagetest.NewImage(t, "one", nil)
	scrub := func(t *testing.T, s *filesystem.Store) {
		t.Helper()
		if r, err := s.Scrub(ctx, storage.ScrubOptions{}, nil); err != nil || len(r.Damaged) == 0 {
			t.Errorf("scrub: %+v, %v", r, err)
		}
	}
	for name, tc := range map[string]struct {
		what  digest.Digest
		fails bool
		find  func(t *testing.T, s *filesystem.Store)
	}{
		"manifest, read": {image.Digest, false, func(t *testing.T, s *filesystem.Store) {
			if _, err := s.GetManifest(ctx, storagetest.Repo(t, "a"), image.Digest, false); !errors.Is(err, storage.ErrBlobDamaged) {
				t.Errorf("get: %v", err)
			}
		}},
		"manifest, scrubbed": {image.Digest, false, scrub},
		"unreadable manifest, read": {image.Digest, true, func(t *testing.T, s *filesystem.Store) {
			if _, err := s.GetManifest(ctx, storagetest.Repo(t, "a"), image.Digest, false); err == nil {
				t.Error("get: no error")
			}
		}},
		"unreadable manifest, scrubbed": {image.Digest, true, scrub},
		"layer, scrubbed":               {digest.FromBytes(image.Layer), false, scrub},
		"unreadable layer, scrubbed":    {digest.FromBytes(image.Layer), true, scrub},
	} {
		t.Run(name, func(t *testing.T) {
			d := &rotting{Disk: inmemory.NewDisk(inmemory.DiskOptions{})}
			s, err := filesystem.OpenDisk(ctx, d, filesystem.Options{ManifestCache: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer closing(t, s)
			image.Push(t, s, "a", "v1")
			d.rot(t, dataName(tc.what), tc.fails)
			tc.find(t, s)
			image.Push(t, s, "a", "v1")
			image.Check(t, s, "a", "v1")
		})
	}
}
