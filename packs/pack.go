package packs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/trust"
)

// Files with a meaning in a pack.
const (
	ValuesFile  = "values.yaml"
	LogoFile    = "logo.png"
	ReadmeFile  = "README.md"
	SchemaFile  = "schema.yaml"
	PresetsFile = "presets.yaml"
)

// Pack is a pack as it was read, valid or not.
type Pack struct {
	Folder   string    // name of its folder; empty if unknown
	Files    []File    // by path, without leftovers of desktops and version control
	Metadata *Metadata // nil if pack.json is missing or cannot be parsed
	Images   []Image   // container images, by reference

	documents map[string][]byte // by the constants above
	problems  []finding.Finding // found while reading
}

// Document returns a file with a meaning, such as ReadmeFile, or nil if it is missing. A long one
// is truncated: 1 MiB of values.yaml, 512 KiB of README.md.
func (p *Pack) Document(name string) []byte { return p.documents[name] }

// Logo returns the logo and its media type, image/png or image/jpeg. It returns nothing if there is
// none or if LogoType refuses it.
func (p *Pack) Logo() (content []byte, mediaType string) {
	content = p.documents[LogoFile]
	mediaType, err := LogoType(content)
	if err != nil {
		return nil, ""
	}
	return content, mediaType
}

// Position returns the line and column of a key's value in pack.json, both 1-based; 0 if it is
// missing.
func (p *Pack) Position(key string) (line, column int) {
	if p.Metadata == nil {
		return 0, 0
	}
	offset, ok := p.Metadata.places[key]
	if !ok {
		return 0, 0
	}
	return position(p.documents[MetadataFile], offset)
}

// size returns the total size of all files in bytes.
func (p *Pack) size() int64 {
	var size int64
	for _, f := range p.Files {
		size += f.Size
	}
	return size
}

// Has reports whether the pack contains a file, or a folder with files.
func (p *Pack) Has(name string) bool {
	name = path.Clean(name)
	if _, found := p.find(name); found {
		return true
	}
	i, _ := p.find(name + "/")
	return i < len(p.Files) && strings.HasPrefix(p.Files[i].Path, name+"/")
}

// find returns the index in Files of a path, or where it would be.
func (p *Pack) find(name string) (index int, found bool) {
	return slices.BinarySearchFunc(p.Files, name, func(f File, name string) int {
		return strings.Compare(f.Path, name)
	})
}

// OpenDir reads the pack in a directory. It returns an error only if the directory cannot be read;
// Lint reports everything else.
func OpenDir(dir string) (*Pack, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no folder %q", dir)
	case err != nil:
		return nil, fmt.Errorf("open pack: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("%q is %s, not a folder", dir, kindOf(info.Mode()))
	}
	full, err := trust.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open pack: %w", err)
	}
	root, err := trust.OpenFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("open pack: %w", err)
	}
	defer root.Close() //nolint:errcheck // read only
	pack, err := Open(root.FS())
	if err != nil {
		return nil, err
	}
	pack.Folder = filepath.Base(full)
	return pack, nil
}

// kindOf describes a file that is not a folder.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Open reads the pack at the root of a file system.
func Open(fsys fs.FS) (*Pack, error) {
	r := newPackReader()
	limits := Limits{}.withDefaults()
	err := walk(fsys, limits, r.report, func(f File) error {
		file, err := fsys.Open(f.Path)
		if err != nil {
			return fmt.Errorf("open pack: %w", err)
		}
		defer file.Close() //nolint:errcheck // read only
		return r.add(f, file)
	})
	if err != nil {
		return nil, err
	}
	return r.finish(), nil
}

// walk visits the files of a pack's folder, sorted by path, so that the order is the same on every
// machine. It reports and skips files that are invalid in a pack.
func walk(fsys fs.FS, limits Limits, report func(finding.Finding), visit func(File) error) error {
	var files, leftovers int
	var size int64
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("read pack: %w", err)
		case name == ".":
			return nil
		case isLeftover(name):
			if leftovers++; leftovers == 1 {
				report(About(finding.Warning, CodeLeftover, name,
					"belongs to a desktop or to version control, and is left out of the archive", "remove it"))
			}
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if why := checkName(name, limits); why != "" {
			report(About(finding.Refused, CodeFileName, strings.ToValidUTF8(name, "?"), why, "rename it"))
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if files++; files > limits.Files {
			report(About(finding.Refused, CodeTooManyFiles, "",
				fmt.Sprintf("holds more than %d files and folders", limits.Files), "is it the right folder?"))
			return fs.SkipAll
		}
		switch {
		case entry.IsDir():
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			report(About(finding.Refused, CodeLink, name,
				"is a link, and packs hold files only", "put a copy of the file in its place"))
			return nil
		case !entry.Type().IsRegular():
			report(About(finding.Refused, CodeSpecial, name, "is not a regular file", "remove it"))
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("read pack: %w", err)
		}
		if isForeignLink(fsys, info) {
			report(About(finding.Refused, CodeForeignLink, name,
				"is a hard link to a file of another user than the owner of the folder",
				"if that user may publish the file, put a copy in its place"))
			return nil
		}
		if size += info.Size(); size > limits.Bytes {
			report(About(finding.Refused, CodeTooLarge, name,
				fmt.Sprintf("holds more than %d MiB", limits.Bytes>>20), "is it the right folder?"))
			return fs.SkipAll
		}
		return visit(File{Path: name, Size: info.Size(), Mode: fileMode(info.Mode())})
	})
}

// packReader collects a pack's data while its files pass by, in any order.
type packReader struct {
	pack   *Pack
	found  findings
	images *imageScan
}

func newPackReader() *packReader {
	return &packReader{pack: &Pack{documents: map[string][]byte{}}, images: newImageScan()}
}

func (r *packReader) report(p finding.Finding) { r.found.add(p) }

// add adds a file. It need not read the content.
func (r *packReader) add(f File, content io.Reader) error {
	r.pack.Files = append(r.pack.Files, f)
	if name := documentName(f.Path); name != "" {
		text, err := readDocument(name, f.Size, content)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.Path, err)
		}
		r.pack.documents[name] = text
		return nil
	}
	return r.images.add(f, content)
}

// finish parses the collected documents.
func (r *packReader) finish() *Pack {
	p := r.pack
	slices.SortFunc(p.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	p.problems = r.found.list
	if text, ok := p.documents[MetadataFile]; ok {
		var problems []finding.Finding
		p.Metadata, problems = ParseMetadata(text)
		p.problems = slices.Concat(problems, p.problems)
	}
	p.Images = r.images.finish(p.documents[ValuesFile])
	return p
}

// documentName returns the constant for a file of a pack, or "" if it has no meaning. A README may
// be in any letter case.
func documentName(name string) string {
	switch name {
	case MetadataFile, ValuesFile, LogoFile, SchemaFile, PresetsFile:
		return name
	}
	if strings.EqualFold(name, ReadmeFile) {
		return ReadmeFile
	}
	return ""
}
