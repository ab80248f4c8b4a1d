//go:build unix

package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// nearest returns path, or its nearest ancestor that exists. It may be a file.
func nearest(path string) (string, fs.FileInfo, error) {
	for {
		info, err := os.Stat(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return path, info, err
		}
		parent := filepath.Dir(path)
		if parent == path {
			return path, nil, err
		}
		path = parent
	}
}

// Writable asks the kernel instead of creating a file, so that nothing can be left behind.
func (thisHost) Writable(path string) error {
	at, info, err := nearest(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file, not a directory", at)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, at, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "write below", Path: at, Err: err}
	}
	return nil
}

func (thisHost) FileSystem(path string) (FileSystem, error) {
	at, info, err := nearest(path)
	if err != nil {
		return FileSystem{}, err
	}
	var s unix.Statfs_t
	if err := unix.Statfs(at, &s); err != nil {
		return FileSystem{}, fmt.Errorf("ask about the file system of %s: %w", at, err)
	}
	f := FileSystem{
		Kind: kindOfFileSystem(&s), FreeInodes: uint64(s.Ffree), Inodes: uint64(s.Files), ReadOnly: readOnly(&s),
	}
	size := uint64(s.Bsize) //nolint:gosec // block sizes are positive
	f.Free, f.Total = uint64(s.Bavail)*size, uint64(s.Blocks)*size
	if root, err := os.Stat("/"); err == nil {
		f.Root = sameDevice(root, info)
	}
	return f, nil
}

// openFiles returns the open-file limit of this process. Go raises the soft limit to the hard one
// at startup.
func openFiles() uint64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur) //nolint:unconvert,nolintlint // the type differs between systems
}
