package blockdevice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// imageName is the name of the only file of the FUSE file system.
const imageName = "image"

// maxWrite is the largest write request in bytes. It fits into a pipe, which go-fuse reads
// requests through.
const maxWrite = 512 << 10

// root is the root directory of the FUSE file system.
type root struct {
	fs.Inode
	image *Image
}

var _ fs.NodeOnAdder = (*root)(nil)

// OnAdd implements fs.NodeOnAdder.
func (r *root) OnAdd(ctx context.Context) {
	child := r.NewPersistentInode(ctx, &file{image: r.image}, fs.StableAttr{Mode: fuse.S_IFREG})
	r.AddChild(imageName, child, false)
}

// file serves an image as a file.
type file struct {
	fs.Inode
	image *Image
}

var (
	_ fs.NodeOpener    = (*file)(nil)
	_ fs.NodeGetattrer = (*file)(nil)
	_ fs.NodeReader    = (*file)(nil)
	_ fs.NodeWriter    = (*file)(nil)
	_ fs.NodeFsyncer   = (*file)(nil)
)

// Open implements fs.NodeOpener. Direct I/O keeps the page cache from answering in place of the
// image.
func (f *file) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, fs.OK
}

// Getattr implements fs.NodeGetattrer.
func (f *file) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = fuse.S_IFREG|0o600, uint64(f.image.Size())
	return fs.OK
}

// Read implements fs.NodeReader.
func (f *file) Read(_ context.Context, _ fs.FileHandle, p []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n, err := f.image.ReadAt(p, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(p[:n]), fs.OK
}

// Write implements fs.NodeWriter.
func (f *file) Write(_ context.Context, _ fs.FileHandle, p []byte, at int64) (uint32, syscall.Errno) {
	n, err := f.image.WriteAt(p, at)
	if err != nil {
		return 0, syscall.EIO
	}
	return uint32(n), fs.OK
}

// Fsync implements fs.NodeFsyncer. A loop device turns a flush request into it.
func (f *file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	if err := f.image.Flush(); err != nil {
		return syscall.EIO
	}
	return fs.OK
}

// serve mounts a FUSE file system at directory that holds the image. It needs root and no
// fusermount. It mounts by itself because the descriptor that go-fuse opens is inherited by every
// program this process starts, and then the kernel waits for an answer even after this process
// was killed.
func serve(image *Image, directory string) (*fuse.Server, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,max_read=%d", fd, maxWrite)
	err = unix.Mount("packhouse-blockdevice", directory, "fuse.blockdevice", unix.MS_NOSUID|unix.MS_NODEV, options)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("mount FUSE file system: %w", err)
	}
	timeout := time.Hour // the size never changes
	server, err := fs.Mount(fmt.Sprintf("/dev/fd/%d", fd), &root{image: image}, &fs.Options{
		AttrTimeout: &timeout, EntryTimeout: &timeout,
		MountOptions: fuse.MountOptions{MaxWrite: maxWrite, DisableXAttrs: true},
	})
	if err != nil {
		_ = unix.Unmount(directory, unix.MNT_DETACH)
		return nil, fmt.Errorf("serve FUSE file system: %w", err)
	}
	return server, nil
}
