package admin

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"packhouse/server/config"
	"packhouse/trust"
)

// Paths returns where the admin socket of a server with this configuration may be, the preferred
// place first: $RUNTIME_DIRECTORY, /run/packhouse, and then beside a store on disk, or in
// $XDG_RUNTIME_DIR for any other store. The name is derived from the store, so that servers on two
// stores do not collide and a client finds the right one. A directory that every user may create,
// such as one in /tmp, is never among them.
func Paths(c *config.Config) []string {
	name := "packhouse-" + instance(c) + ".sock"
	var paths []string
	if dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":"); dir != "" {
		paths = append(paths, filepath.Join(dir, name))
	}
	paths = append(paths, filepath.Join("/run/packhouse", name))
	if c.Storage.Driver == config.Filesystem {
		return append(paths, filepath.Join(c.Storage.Filesystem.RootDirectory, "packhouse", "v1", "admin.sock"))
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, "packhouse", name))
	}
	return paths
}

// instance returns a short name of the store, or of the listener if the store is in memory or
// shared.
func instance(c *config.Config) string {
	of := []string{c.Storage.Driver}
	switch c.Storage.Driver {
	case config.Filesystem:
		root, err := trust.Abs(c.Storage.Filesystem.RootDirectory)
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
