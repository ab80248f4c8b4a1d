//go:build !unix

package setup

import (
	"io/fs"
	"os"
)

// Holder returns the zero Process: there is no /proc.
func (machine) Holder(int) Process { return Process{} }

// Writable detects only that the path is a file.
func (machine) Writable(path string) error {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return &fs.PathError{Op: "write below", Path: path, Err: fs.ErrExist}
	}
	return nil
}

// FileSystem returns the zero FileSystem: it is unknown.
func (machine) FileSystem(string) (FileSystem, error) { return FileSystem{}, nil }

func owner(fs.FileInfo) (uid, gid int) { return -1, -1 }

// openFiles returns 0: the limit is unknown.
func openFiles() uint64 { return 0 }
