//go:build !unix

package machine

import (
	"io/fs"
	"os"
)

// Holder returns the zero Process: there is no /proc.
func (thisHost) Holder(int) Process { return Process{} }

// Writable detects only that the path is a file.
func (thisHost) Writable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return &fs.PathError{Op: "write below", Path: path, Err: fs.ErrExist}
	}
	return nil
}

// FileSystem returns the zero FileSystem: it is unknown.
func (thisHost) FileSystem(string) (FileSystem, error) { return FileSystem{}, nil }

func Owner(fs.FileInfo) (uid, gid int) { return -1, -1 }

// openFiles returns 0: the limit is unknown.
func openFiles() uint64 { return 0 }
