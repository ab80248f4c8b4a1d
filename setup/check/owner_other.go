//go:build !unix

package check

import "io/fs"

// ownerOf always returns false: files have no owners on this platform.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

func userName(int) string { return "unknown" }

// OwnerOf always returns nil: files have no owners on this platform.
func OwnerOf(string) *Account { return nil }

// groupOf always returns "": files have no groups on this platform.
func groupOf(fs.FileInfo) string { return "" }
