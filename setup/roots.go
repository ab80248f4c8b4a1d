package setup

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
)

// CodeForeignPath is the code for a path in a journal or manifest that is not part of the
// installation.
const CodeForeignPath = "path-foreign"

// unitRoot is the prefix of the systemd unit in journals and manifests.
const unitRoot = "@unit"

// roots are the directories that an installation's journals and manifests may refer to. They are
// derived from the installation, never from those files, whose paths are relative to a root.
type roots struct {
	dir     string
	unit    string   // the systemd unit
	outside []string // directories of the store and the users file outside of dir
}

// namesStorage matches a configuration, which may be JSON, but not the other files of a run or a
// backup.
var namesStorage = pattern.Lazy(`\bstorage["']?\s*:`)

// rootsOf derives the roots of an installation from its configuration, and from configurations in
// an unfinished run and in backups.
func rootsOf(dir string) roots {
	r := roots{dir: dir, unit: UnitFile}
	candidates := []string{filepath.Join(dir, ConfigFile)}
	for _, below := range append([]string{filepath.Join(workDir, newDir), filepath.Join(workDir, oldDir)}, backupDirs(dir)...) {
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
		data, err := (places{}).readLinked(path)
		// Most files do not contain the word, and the expression alone is slow.
		if err != nil || !bytes.Contains(data, []byte("storage")) || !namesStorage().Match(data) || seen[string(data)] {
			continue
		}
		seen[string(data)] = true
		r.add(config.Glimpse(config.Source{Path: filepath.Join(dir, ConfigFile), Data: data}))
	}
	return r
}

// withUnit returns the roots with the systemd unit at another path. An empty path changes nothing.
func (r roots) withUnit(path string) roots {
	if path != "" {
		r.unit = path
	}
	return r
}

func backupDirs(dir string) (names []string) {
	for _, name := range backups(dir) {
		names = append(names, filepath.Join(BackupDir, name))
	}
	return names
}

// add adds the directories in a configuration.
func (r *roots) add(c *config.Config) {
	if c == nil {
		return
	}
	for _, path := range []string{c.Storage.Filesystem.RootDirectory, filepath.Dir(c.Auth.Htpasswd.Path)} {
		if path = filepath.Clean(path); filepath.IsAbs(path) && path != "/" && !below(path, r.dir) && !slices.Contains(r.outside, path) {
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

// encode returns an absolute path relative to a root. A missing directory above a root, which setup
// creates, is encoded with "..".
func (r roots) encode(path string) (string, error) {
	switch {
	case path == "":
		return "", nil
	case path == r.unit:
		return unitRoot, nil
	case below(path, r.dir):
		short, err := filepath.Rel(r.dir, path)
		return filepath.ToSlash(short), err
	}
	for _, root := range r.outside {
		if below(path, root) || below(root, path) {
			short, err := filepath.Rel(root, path)
			return rootID(root) + "/" + filepath.ToSlash(short), err
		}
	}
	if below(r.dir, path) {
		short, err := filepath.Rel(r.dir, path)
		return filepath.ToSlash(short), err
	}
	return "", fmt.Errorf("%s: %w", path, errForeign)
}

// decode reverses encode. Absolute paths, written by earlier versions, must be part of the
// installation. above permits directories above a root.
func (r roots) decode(text string, above bool) (string, error) {
	foreign := fmt.Errorf("%s: %w", text, errForeign)
	if text == "" {
		return "", nil
	}
	if filepath.IsAbs(text) {
		encoded, err := r.encode(filepath.Clean(text))
		if err != nil {
			return "", foreign
		}
		text = encoded
	}
	if text == unitRoot {
		return r.unit, nil
	}
	root, short := r.dir, text
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

// rootsAfter returns the roots after the plan, without those of earlier configurations.
func (p *Plan) rootsAfter() roots {
	r := roots{dir: p.Dir, unit: UnitFile}.withUnit(p.unit)
	if c := p.change(ConfigFile); c != nil && c.After != nil {
		r.add(config.Glimpse(config.Source{Path: c.Path, Data: c.After}))
	}
	return r
}

// roots returns the roots of the installation before and after a plan.
func (p *Plan) roots() roots {
	r := rootsOf(p.Dir).withUnit(p.unit)
	for _, c := range p.configs() {
		r.add(c)
	}
	return r
}
