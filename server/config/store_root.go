package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// storeDirs are the directories that a server creates, or finds, in the root of a store.
var storeDirs = []string{
	"docker/registry/v2/blobs", "docker/registry/v2/repositories",
	"packhouse/v1/uploads", "packhouse/v1/stage", "packhouse/v1/index", "packhouse/v1/refs", "packhouse/v1/packview",
	"packhouse/v1/quarantine", "packhouse/v1/trash", "packhouse/v1/gc", "packhouse/v1/lease", "packhouse/v1/journal",
}

// Blocked returns the path of a file or broken link where the store in root needs a directory, or
// "". It can be root itself.
func Blocked(root string) string {
	for _, dir := range storeDirs {
		path := root
		for _, part := range append([]string{""}, strings.Split(dir, "/")...) {
			path = filepath.Join(path, part)
			info, err := os.Stat(path)
			if err == nil && !info.IsDir() {
				return path
			}
			if errors.Is(err, fs.ErrNotExist) {
				if _, err := os.Lstat(path); err == nil {
					return path // a link to nothing, which the server does not replace
				}
			}
			if err != nil {
				break // does not exist yet, or not visible to this user
			}
		}
	}
	return ""
}

// OfFileSystem reports whether a name in a new, empty file system or mount belongs to the file system
// or to the system that it was attached to.
func OfFileSystem(name string) bool {
	return slices.Contains([]string{"lost+found", ".snapshot", ".zfs", ".DS_Store"}, name)
}
