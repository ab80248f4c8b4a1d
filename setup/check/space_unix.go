//go:build unix

package check

import "golang.org/x/sys/unix"

type space struct {
	bytes, inodes uint64
	hasInodes     bool // some file systems have no fixed number
}

// freeSpace returns the space available to unprivileged users below path.
func freeSpace(path string) (space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return space{}, err
	}
	return space{
		bytes:     uint64(st.Bavail) * uint64(st.Bsize), //nolint:gosec,unconvert // sizes are never negative; the types differ by platform
		inodes:    uint64(st.Ffree),                     //nolint:unconvert // the types differ by platform
		hasInodes: st.Files > 0,
	}, nil
}
