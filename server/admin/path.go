package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"packhouse/server/config"
)

// Paths returns where the admin socket of a server with this configuration may be, the best place first: below $RUNTIME_DIRECTORY, below
// /run/packhouse, beside the store, and for a server without a directory of its own in the user's own directory for temporary files. The
// name is made of the store, so that servers on two stores do not clash and a client finds the one it means.
func Paths(c *config.Config) []string {
	name := "packhouse-" + instance(c) + ".sock"
	var paths []string
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		paths = append(paths, filepath.Join(dir, name))
	}
	paths = append(paths, filepath.Join("/run/packhouse", name))
	if c.Storage.Driver == config.Filesystem {
		paths = append(paths, filepath.Join(c.Storage.Filesystem.RootDirectory, "packhouse", "v1", "admin.sock"))
	} else {
		paths = append(paths, filepath.Join(Private(), name))
	}
	return paths
}

// Private is this user's own directory for sockets, where there is neither a runtime directory nor a store on disk. It is made with mode
// 0700 by the server.
func Private() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "packhouse")
	}
	return filepath.Join(os.TempDir(), "packhouse-"+userID())
}

// instance is a short name of the store, or of the listener where the store is in memory or shared.
func instance(c *config.Config) string {
	of := []string{c.Storage.Driver}
	switch c.Storage.Driver {
	case config.Filesystem:
		root, err := filepath.Abs(c.Storage.Filesystem.RootDirectory)
		if err != nil {
			root = c.Storage.Filesystem.RootDirectory
		}
		if resolved, err := filepath.EvalSymlinks(root); err == nil {
			root = resolved
		}
		of = append(of, root)
	case config.S3:
		of = append(of, c.Storage.S3.RegionEndpoint, c.Storage.S3.Bucket, c.Storage.S3.RootDirectory, c.HTTP.Addr)
	default:
		of = append(of, c.HTTP.Addr)
	}
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	return hex.EncodeToString(sum[:6])
}
