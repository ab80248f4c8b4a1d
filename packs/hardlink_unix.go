//go:build unix

package packs

import (
	"io/fs"
	"syscall"
)

// isForeignLink reports whether a file has several names and belongs to another user than the folder
// at the root of fsys. The owner of the folder may have linked a file there that only the user who
// runs packhouse can read. Hard links among files of one owner are ordinary: git and rsync make them.
func isForeignLink(fsys fs.FS, file fs.FileInfo) bool {
	linked, ok := file.Sys().(*syscall.Stat_t)
	if !ok || linked.Nlink < 2 {
		return false
	}
	folder, err := fs.Stat(fsys, ".")
	if err != nil {
		return false
	}
	owner, ok := folder.Sys().(*syscall.Stat_t)
	return ok && owner.Uid != linked.Uid
}
