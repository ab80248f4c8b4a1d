package trust

import (
	"io/fs"
	"os"
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
