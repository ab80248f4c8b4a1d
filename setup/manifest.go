package setup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"packhouse/finding"
)

// manifestVersion is the format version of .installed.json.
const manifestVersion = 1

func (in *Installed) loadManifest() error {
	data, err := in.readings.readOwn(in.path(ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read installation: %w", err)
	}
	m := &Manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return finding.NewError(refused(CodeBroken, fmt.Sprintf("%s is damaged: %v", in.path(ManifestFile), err),
			"move it away, then packhouse setup writes it again"))
	}
	if m.Version > manifestVersion {
		return finding.NewError(refused(CodeBroken, fmt.Sprintf("a newer version of this program wrote %s", in.path(ManifestFile)),
			"use that version"))
	}
	in.Manifest = m
	in.Drift = append(in.Drift, m.decode(rootsOf(in.Dir).withUnit(in.unit))...)
	for _, row := range m.Files {
		if what := row.drift(in); what != "" {
			in.Drift = append(in.Drift, Drift{Path: row.Path, What: what})
		}
	}
	return nil
}

// octal is a file mode with the text form of chmod: "0600".
type octal fs.FileMode

// MarshalText implements encoding.TextMarshaler.
func (o octal) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", uint32(o)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *octal) UnmarshalText(text []byte) error {
	mode, err := strconv.ParseUint(string(text), 8, 12)
	*o = octal(mode)
	return err
}

func (o octal) String() string { return fmt.Sprintf("%04o", uint32(o)) }

// at returns the absolute path of a row.
func (r ManifestFileRow) at(dir string) string {
	if filepath.IsAbs(r.Path) {
		return r.Path
	}
	return filepath.Join(dir, filepath.FromSlash(r.Path))
}

// drift describes how a file differs from what setup wrote. It returns "" if the file is unchanged
// or cannot be read, or if initial-passwords or the CA's key is missing: users are told to delete
// the former and move the latter.
func (r ManifestFileRow) drift(in *Installed) string {
	info, err := os.Lstat(r.at(in.Dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if r.Path == PasswordsFile || r.Path == CAKeyFile {
			return ""
		}
		return "missing"
	case err != nil:
		return ""
	}
	var differences []string
	if r.SHA256 != "" {
		if data, err := in.read(r.at(in.Dir)); err == nil && sum(data) != r.SHA256 {
			differences = append(differences, "changed")
		}
	}
	if info.Mode()&fs.ModeSymlink == 0 && octal(info.Mode().Perm()) != r.Mode {
		differences = append(differences, fmt.Sprintf("mode %v, was %v", octal(info.Mode().Perm()), r.Mode))
	}
	if uid, _ := owner(info); uid >= 0 && r.UID >= 0 && uid != r.UID {
		differences = append(differences, fmt.Sprintf("owner %d, was %d", uid, r.UID))
	}
	return strings.Join(differences, "; ")
}

// sum returns the SHA-256 of data in hexadecimal.
func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// decode makes the paths of a manifest absolute, or relative to the installation directory. It
// removes and returns rows that are not part of the installation.
func (m *Manifest) decode(r roots) (foreign []Drift) {
	var rows []ManifestFileRow
	for _, row := range m.Files {
		path, err := r.decode(row.Path, false)
		if err != nil {
			foreign = append(foreign, Drift{Path: row.Path, What: "ignored: " + errForeign.Error()})
			continue
		}
		row.Path = rel(r.dir, path)
		rows = append(rows, row)
	}
	m.Files = rows
	return foreign
}

// encode returns the manifest as JSON, with paths relative to the installation's roots and files
// sorted by path, so that the output is deterministic.
func (m *Manifest) encode(r roots) ([]byte, error) {
	out := *m
	out.Files = slices.Clone(m.Files)
	for i, row := range out.Files {
		path, err := r.encode(row.at(r.dir))
		if err != nil {
			return nil, fmt.Errorf("encode manifest: %w", err)
		}
		out.Files[i].Path = path
	}
	slices.SortFunc(out.Files, func(a, b ManifestFileRow) int { return strings.Compare(a.Path, b.Path) })
	data, err := json.MarshalIndent(&out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(data, '\n'), nil
}
