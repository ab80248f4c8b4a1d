//go:build unix && !linux

package machine

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// Holder returns the zero Process: there is no /proc.
func (thisHost) Holder(int) Process { return Process{} }

func kindOfFileSystem(*unix.Statfs_t) string { return "" }

func readOnly(*unix.Statfs_t) bool { return false }

func sameDevice(_, _ fs.FileInfo) bool { return false }

// Owner returns the owner of a file, or -1 if unknown.
func Owner(fs.FileInfo) (uid, gid int) { return -1, -1 }
