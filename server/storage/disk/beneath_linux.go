package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"packhouse/trust"
)

// openBeneath opens name below the root with openat2(2), which does not leave the root.
func (d *osDisk) openBeneath(name string, flags int) (fd int, err error) {
	fd, err = trust.OpenBeneath(d.fd, name, flags, fileMode, 0)
	runtime.KeepAlive(d.dir)
	return fd, err
}

// hasBeneath reports whether openat2 is available: the kernel may lack it, or a seccomp filter may
// block it.
func (d *osDisk) hasBeneath() bool {
	fd, err := d.openBeneath(".", unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return false
	}
	_ = unix.Close(fd)
	return true
}

// openAt opens name below the root. It does not block on a named pipe that the owner of the store
// may have put there.
func (d *osDisk) openAt(name string, flags int) (*os.File, error) {
	flags |= unix.O_NOFOLLOW
	if flags&unix.O_DIRECTORY == 0 { // of a directory, os.NewFile would ask for events, in vain
		flags |= unix.O_NONBLOCK
	}
	if !d.beneath {
		return d.root.OpenFile(name, flags, fileMode)
	}
	fd, err := d.openBeneath(name, flags)
	if errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ELOOP) {
		err = errAstray
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// errAstray is the error for a symbolic link that leaves the root or loops. It counts as missing.
var errAstray = fmt.Errorf("%w: a symbolic link leads astray", fs.ErrNotExist)

// inParent calls do with the open parent directory of name and its last element.
func (d *osDisk) inParent(op, name string, do func(dir int, base string) error) error {
	base, fd := name, d.fd
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		base = name[i+1:]
		var err error
		if fd, err = d.openBeneath(name[:i], unix.O_PATH|unix.O_DIRECTORY); err != nil {
			return &fs.PathError{Op: op, Path: name, Err: err}
		}
		defer func() { _ = unix.Close(fd) }()
	}
	if base == "" || base == "." || base == ".." {
		return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if err := ignoring(func() error { return do(fd, base) }); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// Mkdir implements Disk.
func (d *osDisk) Mkdir(name string) error {
	if !d.beneath {
		return d.root.Mkdir(name, dirMode)
	}
	return d.inParent("mkdir", name, func(dir int, base string) error { return unix.Mkdirat(dir, base, dirMode) })
}

// Rename implements Disk.
func (d *osDisk) Rename(from, to string) error {
	if !d.beneath {
		return d.root.Rename(from, to)
	}
	return d.inParent("rename", from, func(fromDir int, fromBase string) error {
		return d.inParent("rename", to, func(toDir int, toBase string) error {
			return unix.Renameat(fromDir, fromBase, toDir, toBase)
		})
	})
}

// Remove implements Disk.
func (d *osDisk) Remove(name string) error {
	if !d.beneath {
		return d.root.Remove(name)
	}
	return d.inParent("remove", name, func(dir int, base string) error {
		err := unix.Unlinkat(dir, base, 0)
		if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
			err = unix.Unlinkat(dir, base, unix.AT_REMOVEDIR)
		}
		return err
	})
}
