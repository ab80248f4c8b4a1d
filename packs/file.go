package packs

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// File is one file of a pack.
type File struct {
	Path   string      `json:"path"` // relative to the pack's folder, with slashes
	Size   int64       `json:"size"`
	SHA256 string      `json:"sha256,omitempty"` // hexadecimal; empty where the content was not read to its end
	Mode   fs.FileMode `json:"-"`                // 0o644 or 0o755
}

// Limits bound what is read of a pack. Zero fields take their defaults.
type Limits struct {
	Bytes int64 // all files together, unpacked; 0: 2 GiB
	Files int   // files and folders; 0: 20,000
	Depth int   // names in a path; 0: 32
	Ratio int64 // unpacked bytes for each packed one, from 16 MiB on; 0: 200

	// Admit is called once, before more than HeavyFrom bytes of a pack are kept in memory. It may wait; an error ends the reading. Nil: never.
	Admit func(context.Context) error
}

// HeavyFrom is how much of a pack is kept in memory without asking, in bytes. Ordinary packs stay below.
const HeavyFrom = 512 << 10

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = 2 << 30
	}
	if l.Files <= 0 {
		l.Files = 20_000
	}
	if l.Depth <= 0 {
		l.Depth = 32
	}
	if l.Ratio <= 0 {
		l.Ratio = 200
	}
	return l
}

// ratioFrom is how much may come out of an archive before its ratio counts: little text packs very well.
const ratioFrom = 16 << 20

// maxPath is the longest path of a file in bytes; maxSegment the longest name in it, which is what file systems take.
const (
	maxPath    = 1024
	maxSegment = 255
)

// checkName tells why a path cannot be one of a pack's, empty if it can. Blanks, braces and all letters are fine.
func checkName(name string, limits Limits) string {
	switch {
	case !utf8.ValidString(name):
		return "its name is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }):
		return "its name holds control characters"
	case strings.Contains(name, `\`):
		return `its name holds a backslash`
	case len(name) > maxPath:
		return fmt.Sprintf("its path is longer than %d bytes", maxPath)
	case strings.Count(name, "/")+1 > limits.Depth:
		return fmt.Sprintf("it lies more than %d folders deep", limits.Depth)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if len(segment) > maxSegment {
			return fmt.Sprintf("its name is longer than %d bytes", maxSegment)
		}
	}
	return ""
}

// fileMode is what archives and folders keep of a mode: whether the file can be run.
func fileMode(mode fs.FileMode) fs.FileMode {
	if mode&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// isLeftover tells whether a file belongs to a desktop or to version control, and not to the pack. Archives leave it out.
func isLeftover(name string) bool {
	base := path.Base(name)
	switch base {
	case ".git", ".svn", ".hg", ".DS_Store", "Thumbs.db", "__MACOSX":
		return true
	}
	return strings.HasPrefix(base, "._")
}
