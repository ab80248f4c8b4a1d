package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"packhouse/trust"
)

// places are the default paths of the configuration file in containers of this kind, in order of
// precedence. The last is CNCF distribution's former path.
var places = []string{
	"/etc/spectropaxconfig/myconfig.yml",
	"/etc/spectro/config.yml",
	"/etc/distribution/config.yml",
	"/etc/docker/registry/config.yml",
}

// Found is the configuration file for a server started without a path.
type Found struct {
	Path   string   // empty: none; use the built-in default
	Reason string   // why this file was chosen: "named by REGISTRY_CONFIGURATION_PATH"
	Unused []string // other existing files that are not read, to warn about
}

// Find finds the configuration file: that of REGISTRY_CONFIGURATION_PATH, that of the
// installation ("" if there is none), then the default paths. A file named by the variable is
// returned even if it is missing, which [Load] reports. exists is for tests; if nil, the file
// system is used, where an inaccessible file counts as existing, because skipping it would select
// another file.
func Find(installation string, env []string, exists func(path string) bool) Found {
	var f Found
	for _, line := range env {
		if path, ok := strings.CutPrefix(line, PathVariable+"="); ok && path != "" {
			f.Path, f.Reason = trust.Clean(path), "named by "+PathVariable
		}
	}
	return f.look(append([]string{installation}, places...), installation, exists)
}

// Named returns the explicitly chosen file, with the existing files at default paths that are not
// read because of it.
func Named(path, reason string, exists func(path string) bool) Found {
	return Found{Path: trust.Clean(path), Reason: reason}.look(places, "", exists)
}

// look checks the paths where a file may exist.
func (f Found) look(all []string, installation string, exists func(path string) bool) Found {
	if exists == nil {
		exists = there
	}
	for _, path := range all {
		switch {
		case path == "" || path == filepath.Clean(f.Path) || !exists(path) || slices.Contains(f.Unused, path):
		case f.Path != "":
			f.Unused = append(f.Unused, path)
		case path == installation:
			f.Path, f.Reason = path, "of the installation"
		default:
			f.Path, f.Reason = path, "found at a usual place"
		}
	}
	if f.Path == "" {
		f.Reason = "no file found"
	}
	return f
}

func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}
