package installation

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

	"packhouse/setup"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// ManifestVersion is the format version of .installed.json.
const ManifestVersion = 1

func (in *Installed) loadManifest() error {
	data, err := in.Readings.ReadOwn(in.Path(ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read installation: %w", err)
	}
	m := &Manifest{}
	if err := json.Unmarshal(data, m); err != nil {
		return setup.Refusal(setup.CodeBroken, fmt.Sprintf("%s is damaged: %v", in.Path(ManifestFile), err),
			trust.MoveAway(in.Path(ManifestFile))+", then run "+writeAgain)
	}
	if m.Version > ManifestVersion {
		return setup.Refusal(setup.CodeBroken,
			"a newer version of this program wrote "+in.Path(ManifestFile), "use that version")
	}
	in.Manifest = m
	in.Drift = append(in.Drift, m.Decode(RootsOf(in.Dir).WithUnit(in.Unit))...)
	for _, row := range m.Files {
		if what := row.drift(in); what != "" {
			in.Drift = append(in.Drift, Drift{Path: row.Path, What: what})
		}
	}
	return nil
}

// Octal is a file mode with the text form of chmod: "0600".
type Octal fs.FileMode

// MarshalText implements encoding.TextMarshaler.
func (o Octal) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", uint32(o)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Octal) UnmarshalText(text []byte) error {
	mode, err := strconv.ParseUint(string(text), 8, 12)
	*o = Octal(mode)
	return err
}

func (o Octal) String() string { return fmt.Sprintf("%04o", uint32(o)) }

// At returns the absolute path of a row.
func (r ManifestFileRow) At(dir string) string {
	if filepath.IsAbs(r.Path) {
		return r.Path
	}
	return filepath.Join(dir, r.Path)
}

// drift describes how a file differs from what setup wrote. It returns "" if the file is unchanged
// or cannot be read, or if initial-passwords or the CA's key is missing: users are asked to delete
// the former and move the latter.
func (r ManifestFileRow) drift(in *Installed) string {
	info, err := os.Lstat(r.At(in.Dir))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if r.Path == PasswordsFile || r.Path == CAKeyFile {
			return ""
		}
		return "missing"
	case err != nil:
		return ""
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0:
		return "is " + trust.Kind(r.At(in.Dir))
	}
	var differences []string
	if r.SHA256 != "" {
		if data, err := in.read(r.At(in.Dir)); err == nil && Sum(data) != r.SHA256 {
			differences = append(differences, "changed")
		}
	}
	if info.Mode()&fs.ModeSymlink == 0 && Octal(info.Mode().Perm()) != r.Mode {
		differences = append(differences, fmt.Sprintf("mode %v, was %v", Octal(info.Mode().Perm()), r.Mode))
	}
	if uid, _ := machine.Owner(info); uid >= 0 && r.UID >= 0 && uid != r.UID {
		differences = append(differences, fmt.Sprintf("owner %d, was %d", uid, r.UID))
	}
	return strings.Join(differences, "; ")
}

// Sum returns the SHA-256 of data in hexadecimal.
func Sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// Decode makes the paths of a manifest absolute, or relative to the installation directory. It
// removes and returns rows that are not part of the installation.
func (m *Manifest) Decode(r Roots) (foreign []Drift) {
	var rows []ManifestFileRow
	for _, row := range m.Files {
		path, err := r.Decode(row.Path, false)
		if err != nil {
			foreign = append(foreign, Drift{Path: row.Path, What: "ignored: " + errForeign.Error()})
			continue
		}
		row.Path = Rel(r.Dir, path)
		rows = append(rows, row)
	}
	m.Files = rows
	return foreign
}

// Encode returns the manifest as JSON, with paths relative to the installation's roots and files
// sorted by path, so that the output is deterministic.
func (m *Manifest) Encode(r Roots) ([]byte, error) {
	out := *m
	out.Files = slices.Clone(m.Files)
	for i, row := range out.Files {
		path, err := r.Encode(row.At(r.Dir))
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
