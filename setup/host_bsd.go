//go:build unix && !linux

package setup

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Holder returns the zero Process: there is no /proc.
func (machine) Holder(int) Process { return Process{} }

func kindOfFileSystem(*unix.Statfs_t) string { return "" }

func readOnly(*unix.Statfs_t) bool { return false }

func sameDevice(_, _ fs.FileInfo) bool { return false }

// owner returns the owner of a file, or -1 if unknown.
func owner(fs.FileInfo) (uid, gid int) { return -1, -1 }
