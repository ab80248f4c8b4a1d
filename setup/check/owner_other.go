//go:build !unix

package check

import "io/fs"

// ownerOf knows no owners on this platform.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

func userName(int) string { return "unknown" }

// OwnerOf knows no owners on this platform.
func OwnerOf(string) *Account { return nil }

// groupOf returns "": there are no groups of files here.
func groupOf(fs.FileInfo) string { return "" }
