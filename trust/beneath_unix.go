//go:build unix && !linux

package trust

import "golang.org/x/sys/unix"

// searchOnly opens a directory for lookups below it.
const searchOnly = unix.O_RDONLY

// openPlain opens name below an open directory and refuses symbolic links anywhere in it.
func openPlain(dir int, name string, flags int, mode uint32) (fd int, err error) {
	return openEach(dir, name, flags, mode)
}

func hasACL(string) bool { return false }
