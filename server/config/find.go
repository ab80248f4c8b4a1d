package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// places are where containers of this kind have their file, the first found is used. The last is the old place of CNCF distribution.
var places = []string{
	"/etc/spectropaxconfig/myconfig.yml",
	"/etc/spectro/config.yml",
	"/etc/distribution/config.yml",
	"/etc/docker/registry/config.yml",
}

// Found is the file that a server uses which was started without naming one.
type Found struct {
	Path   string   // empty: none, the built-in default applies
	Reason string   // why this one, in words: "named by REGISTRY_CONFIGURATION_PATH"
	Unused []string // further files that are there and will not be read; somebody may believe they are
}

// Find looks for a configuration file: the one that REGISTRY_CONFIGURATION_PATH names, that of the installation (its path; empty: there
// is none), then the usual places. The one a variable names is returned even when it is missing: [Load] then says so. exists is for tests;
// nil asks the file system, where what may not be looked at counts as there: to pass over it would be to start with another file.
func Find(installation string, env []string, exists func(path string) bool) Found {
	var f Found
	for _, line := range env {
		if path, ok := strings.CutPrefix(line, PathVariable+"="); ok && path != "" {
			f.Path, f.Reason = path, "named by "+PathVariable
		}
	}
	return f.look(append([]string{installation}, places...), installation, exists)
}

// Named is the file that somebody chose, with those at the usual places that are not read because of it.
func Named(path, reason string, exists func(path string) bool) Found {
	return Found{Path: path, Reason: reason}.look(places, "", exists)
}

// look walks through the places where a file may be.
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
