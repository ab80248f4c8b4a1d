package filesystem_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"packhouse/server/reference"
	"packhouse/server/storage"
	"packhouse/server/storage/disk"
	"packhouse/server/storage/inmemory"
	"packhouse/server/storage/storagetest"
)

// refusing is a disk whose changes fail with one error, as those of a file system that was
// remounted read-only.
type refusing struct {
	disk.Disk
	with atomic.Pointer[syscall.Errno]
}

func (d *refusing) refusal() error {
	if e := d.with.Load(); e != nil {
		return *e
	}
	return nil
}

func (d *refusing) Create(name string) (disk.File, error) {
	if err := d.refusal(); err != nil {
		return nil, err
	}
	f, err := d.Disk.Create(name)
	return &refusingFile{f, d}, err
}

func (d *refusing) Reopen(name string) (disk.File, error) {
	if err := d.refusal(); err != nil {
		return nil, err
	}
	f, err := d.Disk.Reopen(name)
	return &refusingFile{f, d}, err
}

func (d *refusing) Mkdir(name string) error {
	return errors.Join(d.refusal(), d.unless(func() error { return d.Disk.Mkdir(name) }))
}

func (d *refusing) Rename(from, to string) error {
	return errors.Join(d.refusal(), d.unless(func() error { return d.Disk.Rename(from, to) }))
}

func (d *refusing) Remove(name string) error {
	return errors.Join(d.refusal(), d.unless(func() error { return d.Disk.Remove(name) }))
}

func (d *refusing) SetTime(name string, t time.Time) error {
	return errors.Join(d.refusal(), d.unless(func() error { return d.Disk.SetTime(name, t) }))
}

func (d *refusing) unless(do func() error) error {
	if d.refusal() != nil {
		return nil
	}
	return do()
}

type refusingFile struct {
	disk.File
	d *refusing
}

func (f *refusingFile) Write(p []byte) (int, error) {
	if err := f.d.refusal(); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f *refusingFile) Truncate(size int64) error {
	return errors.Join(f.d.refusal(), f.d.unless(func() error { return f.File.Truncate(size) }))
}

// TestReadsOfAPusherOnAFailingFileSystem checks that reads which refresh links succeed although the
// refresh fails, and that every push fails with the error that the client may retry.
func TestReadsOfAPusherOnAFailingFileSystem(t *testing.T) {
	for name, tt := range map[string]struct {
		errno syscall.Errno
		want  error
	}{
		"read-only": {syscall.EROFS, storage.ErrUnwritable},
		"no access": {syscall.EACCES, storage.ErrUnwritable},
		"failing":   {syscall.EIO, storage.ErrUnavailable},
		"full":      {syscall.ENOSPC, storage.ErrFull},
	} {
		for _, journaling := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				ctx, now := context.Background(), newClock()
				d := &refusing{Disk: inmemory.NewDisk(inmemory.DiskOptions{Durability: true, Journaling: journaling, Now: now.now})}
				s, err := reopened(t, d, now)
				if err != nil {
					t.Fatal(err)
				}
				image, repo := storagetest.NewImage(t, "one", nil), storagetest.Repo(t, "team/a")
				image.Push(t, s, "team/a", "v1")
				o := storage.Owner{Repository: repo, User: "ci"}
				u, err := s.StartUpload(ctx, o, digest.SHA256)
				if err != nil {
					t.Fatal(err)
				}
				now.pass(time.Hour) // the links are due to be refreshed
				d.with.Store(&tt.errno)
				layer := digest.FromBytes(image.Layer)
				if _, err := s.StatBlob(ctx, repo, layer, true); err != nil {
					t.Errorf("HEAD blob: %v", err)
				}
				got, err := s.GetManifest(ctx, repo, image.Digest, true)
				if err != nil || digest.FromBytes(got.Content) != image.Digest {
					t.Errorf("GET manifest: %v", err)
				}
				if _, err := storagetest.ReadBlob(s, repo, layer); err != nil {
					t.Errorf("GET blob: %v", err)
				}
				_, start := s.StartUpload(ctx, o, digest.SHA256)
				_, appended := s.AppendUpload(ctx, o, u.ID, 0, strings.NewReader("x"), 1)
				for what, err := range map[string]error{
					"push blob":       storagetest.TryBlob(s, repo, []byte("another")),
					"push blob again": storagetest.TryBlob(s, repo, image.Layer),
					"push manifest":   image.TryManifest(t, s, "team/a", "v2"),
					"start upload":    start,
					"append":          appended,
					"mount":           s.MountBlob(ctx, storagetest.Repo(t, "team/b"), []reference.Repository{repo}, layer),
					"delete tag":      s.DeleteTag(ctx, repo, storagetest.Tag(t, "v1")),
					"delete manifest": s.DeleteManifest(ctx, repo, image.Digest, false),
					"delete blob":     s.DeleteBlob(ctx, repo, layer, true),
				} {
					if !errors.Is(err, tt.want) || errors.Is(err, storage.ErrReadOnly) {
						t.Errorf("%s: %v, want %v", what, err, tt.want)
					}
				}
				d.with.Store(nil)
				image.Push(t, s, "team/a", "v2")
				closing(t, s)
			})
		}
	}
}
