package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kind returns what a path is, for messages: "a file", "a directory", "a named pipe", "a symbolic
// link to a file". A link whose target cannot be examined is "a broken symbolic link", and a path
// that cannot be examined is "missing".
func Kind(path string) string {
	info, err := os.Lstat(path)
	if err != nil {
		return "missing"
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		return kindOf(info.Mode())
	}
	target, err := os.Stat(path)
	if err != nil {
		return "a broken symbolic link"
	}
	return "a symbolic link to " + kindOf(target.Mode())
}

// Obstacle returns the first part of a path that keeps it from being opened: a symbolic link
// that is broken or leads in a circle, or a file in the place of a directory. It returns "" if there
// is none.
func Obstacle(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	at := string(filepath.Separator)
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == filepath.Separator }) {
		if info, err := os.Stat(at); err == nil && !info.IsDir() {
			return at
		}
		at = filepath.Join(at, part)
		link, err := os.Lstat(at)
		if err != nil {
			return ""
		}
		if _, err := os.Stat(at); link.Mode()&fs.ModeSymlink != 0 && err != nil && !errors.Is(err, fs.ErrPermission) {
			return at
		}
	}
	return ""
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return "a file"
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "a special file"
}
