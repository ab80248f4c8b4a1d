package trust

import (
	"errors"

	"golang.org/x/sys/unix"
)

// searchOnly opens a directory for lookups below it, which needs no permission to read it.
const searchOnly = unix.O_PATH

// OpenBeneath opens name below an open directory with openat2(2). Resolve is a combination of unix.RESOLVE_*; leaving the directory is
// refused in any case, with EXDEV. It returns ENOSYS or EPERM where the kernel or a seccomp filter does not permit the call.
func OpenBeneath(dir int, name string, flags int, mode uint64, resolve uint64) (fd int, err error) {
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve | unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS} //nolint:gosec // flags
	if flags&unix.O_CREAT != 0 {
		how.Mode = mode
	}
	for {
		fd, err = unix.Openat2(dir, name, &how)
		// EAGAIN: a concurrent rename kept the kernel from proving that the path stays below.
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}

// openPlain opens name below an open directory and refuses symbolic links anywhere in it.
func openPlain(dir int, name string, flags int, mode uint32) (fd int, err error) {
	fd, err = OpenBeneath(dir, name, flags|unix.O_NOFOLLOW, uint64(mode), unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		return openEach(dir, name, flags, mode)
	}
	return fd, err
}

// hasACL reports whether a POSIX access control list extends the permissions of a group.
func hasACL(path string) bool {
	n, err := unix.Lgetxattr(path, "system.posix_acl_access", nil)
	return err == nil && n > 0
}
