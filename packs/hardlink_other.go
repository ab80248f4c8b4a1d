//go:build !unix

package packs

import "io/fs"

// isForeignLink returns false: owners of files are not known.
func isForeignLink(fs.FS, fs.FileInfo) bool { return false }
