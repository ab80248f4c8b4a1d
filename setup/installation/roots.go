package installation

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/pattern"
	"packhouse/server/config"
	"packhouse/setup"
)

// CodeForeignPath is the code for a path in a journal or manifest that is not part of the
// installation.
const CodeForeignPath = "path-foreign"

// unitRoot is the prefix of the systemd unit in journals and manifests.
const unitRoot = "@unit"

// Roots are the directories that an installation's journals and manifests may refer to. They are
// derived from the installation, never from those files, whose paths are relative to a root.
type Roots struct {
	Dir     string
	Unit    string   // the systemd unit
	outside []string // directories of the store and the users file outside of dir
}

// namesStorage matches a configuration, which may be JSON, but not the other files of a run or a
// backup.
var namesStorage = pattern.Lazy(`\bstorage["']?\s*:`)

// RootsOf derives the roots of an installation from its configuration, and from configurations in
// an unfinished run and in backups.
func RootsOf(dir string) Roots {
	r := Roots{Dir: dir, Unit: setup.UnitFile}
	candidates := []string{filepath.Join(dir, ConfigFile)}
	for _, below := range append([]string{filepath.Join(WorkDir, NewDir), filepath.Join(WorkDir, OldDir)}, backupDirs(dir)...) {
		entries, err := os.ReadDir(filepath.Join(dir, below))
		if err != nil {
			continue
		}
		for _, e := range entries {
			candidates = append(candidates, filepath.Join(dir, below, e.Name()))
		}
	}
	seen := map[string]bool{} // most backups hold the same configuration
	for _, path := range candidates {
		data, err := (Places{}).ReadLinked(path)
		// Most files do not contain the word, and the expression alone is slow.
		if err != nil || !bytes.Contains(data, []byte("storage")) || !namesStorage().Match(data) || seen[string(data)] {
			continue
		}
		seen[string(data)] = true
		r.Add(config.Glimpse(config.Source{Path: filepath.Join(dir, ConfigFile), Data: data}))
	}
	return r
}

// WithUnit returns the roots with the systemd unit at another path. An empty path changes nothing.
func (r Roots) WithUnit(path string) Roots {
	if path != "" {
		r.Unit = path
	}
	return r
}

func backupDirs(dir string) (names []string) {
	for _, name := range Backups(dir) {
		names = append(names, filepath.Join(BackupDir, name))
	}
	return names
}

// Add adds the directories in a configuration.
func (r *Roots) Add(c *config.Config) {
	if c == nil {
		return
	}
	for _, path := range []string{c.Storage.Filesystem.RootDirectory, filepath.Dir(c.Auth.Htpasswd.Path)} {
		if path = filepath.Clean(path); filepath.IsAbs(path) && path != "/" && !below(path, r.Dir) &&
			!slices.Contains(r.outside, path) {
			r.outside = append(r.outside, path)
		}
	}
}

// below reports whether path is dir or below it.
func below(path, dir string) bool {
	short, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(short)
}

// rootID returns the ID of a root outside of the installation directory.
func rootID(path string) string {
	sum := sha256.Sum256([]byte(path))
	return "@" + hex.EncodeToString(sum[:6])
}

// errForeign is the cause of a path that is not part of an installation.
var errForeign = errors.New("the path is not part of this installation")

// Encode returns an absolute path relative to a root. A missing directory above a root, which setup
// creates, is encoded with "..".
func (r Roots) Encode(path string) (string, error) {
	switch {
	case path == "":
		return "", nil
	case path == r.Unit:
		return unitRoot, nil
	case below(path, r.Dir):
		short, err := filepath.Rel(r.Dir, path)
		return filepath.ToSlash(short), err
	}
	for _, root := range r.outside {
		if below(path, root) || below(root, path) {
			short, err := filepath.Rel(root, path)
			return rootID(root) + "/" + filepath.ToSlash(short), err
		}
	}
	if below(r.Dir, path) {
		short, err := filepath.Rel(r.Dir, path)
		return filepath.ToSlash(short), err
	}
	return "", fmt.Errorf("%s: %w", path, errForeign)
}

// Decode reverses encode. Absolute paths, written by earlier versions, must be part of the
// installation. above permits directories above a root.
func (r Roots) Decode(text string, above bool) (string, error) {
	foreign := fmt.Errorf("%s: %w", text, errForeign)
	if text == "" {
		return "", nil
	}
	if filepath.IsAbs(text) {
		encoded, err := r.Encode(filepath.Clean(text))
		if err != nil {
			return "", foreign
		}
		text = encoded
	}
	if text == unitRoot {
		return r.Unit, nil
	}
	root, short := r.Dir, text
	if strings.HasPrefix(text, "@") {
		id, rest, _ := strings.Cut(text, "/")
		i := slices.IndexFunc(r.outside, func(path string) bool { return rootID(path) == id })
		if i < 0 {
			return "", foreign
		}
		root, short = r.outside[i], rest
	}
	short = filepath.FromSlash(short)
	if filepath.IsLocal(short) || short == "" {
		return filepath.Join(root, short), nil
	}
	if path := filepath.Join(root, short); above && below(root, path) {
		return path, nil
	}
	return "", foreign
}
