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
	SHA256 string      `json:"sha256,omitempty"` // hexadecimal; empty if the content was not read completely
	Mode   fs.FileMode `json:"-"`                // 0o644 or 0o755
}

// Limits limit what is read of a pack. Zero fields have their defaults.
type Limits struct {
	Bytes int64 // total size of all files, uncompressed; 0: 2 GiB
	Files int   // files and folders; 0: 20,000
	Depth int   // path elements; 0: 32
	Ratio int64 // uncompressed bytes per compressed byte, checked from 16 MiB; 0: 200

	// Admit is called once, before more than HeavyFrom bytes of a pack are kept in memory. It may
	// block; an error ends the reading. It may be nil.
	Admit func(context.Context) error
}

// HeavyFrom is how many bytes of a pack are kept in memory without calling Admit. Ordinary packs
// need less.
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

// ratioFrom is the uncompressed size in bytes from which the ratio is checked: small texts compress
// very well.
const ratioFrom = 16 << 20

// maxPath is the maximum length of a path in bytes; maxSegment that of a path element, which is the
// limit of file systems.
const (
	maxPath    = 1024
	maxSegment = 255
)

// checkName returns why a path is invalid in a pack, or "". Spaces, braces and all letters are
// allowed.
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
		if isGit(segment) {
			return "it is in a git directory, whose settings git runs as commands"
		}
	}
	return ""
}

// isGit reports whether a file system may take a path element for .git: it may ignore case,
// invisible characters, and on Windows spaces and dots at the end, a stream, or use the short name.
func isGit(segment string) bool {
	segment, _, _ = strings.Cut(segment, ":")
	segment = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.TrimRight(segment, " ."))
	return strings.EqualFold(segment, ".git") || strings.EqualFold(segment, "git~1")
}

// fileMode returns the mode to store: only the executable bit is kept.
func fileMode(mode fs.FileMode) fs.FileMode {
	if mode&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

// isLeftover reports whether a file belongs to a desktop or to version control and not to the pack.
// Archives leave it out.
func isLeftover(name string) bool {
	base := path.Base(name)
	switch base {
	case ".git", ".svn", ".hg", ".DS_Store", "Thumbs.db", "__MACOSX":
		return true
	}
	return strings.HasPrefix(base, "._")
}
