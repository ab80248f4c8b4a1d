//go:build unix

package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. Its methods act on the entry with a name and never follow a symbolic link.
type Dir struct {
	file *os.File
	path string
}

// openEach opens name one component at a time, for systems without openat2.
func openEach(dir int, name string, flags int, mode uint32) (fd int, err error) {
	parts := strings.Split(filepath.Clean(name), "/")
	at := dir
	defer func() {
		if at != dir {
			_ = unix.Close(at)
		}
	}()
	for i, part := range parts {
		if part == ".." || part == "" {
			return -1, unix.EXDEV
		}
		how := searchOnly | unix.O_DIRECTORY
		if i == len(parts)-1 {
			how = flags
		}
		next, err := unix.Openat(at, part, how|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		for errors.Is(err, unix.EINTR) {
			next, err = unix.Openat(at, part, how|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		}
		if err != nil || i == len(parts)-1 {
			return next, err
		}
		if at != dir {
			_ = unix.Close(at)
		}
		at = next
	}
	return -1, unix.EINVAL
}

// OpenDir opens the directory at path. Links are followed as long as only root and the acting user can have made them. It returns an
// [*Error] if a user that the policy does not allow can replace a part of path.
func (p Policy) OpenDir(path string) (*Dir, error) {
	at, err := p.resolve(path, asParent)
	if err != nil {
		return nil, err
	}
	if at.fault != nil {
		return nil, at.fault
	}
	return at.open(path)
}

// OpenToOwn opens the directory at path, so that its owner and mode can be changed. The directories above it are checked as by
// [Policy.OpenDir]; the directory itself may belong to any user.
func (p Policy) OpenToOwn(path string) (*os.File, error) {
	at, err := p.resolve(path, asTaken)
	if err != nil {
		return nil, err
	}
	if at.fault != nil {
		return nil, at.fault
	}
	dir, err := at.open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.reopen()
}

// Resolve returns path with all symbolic links in it resolved. The path need not exist. It returns an [*Error] if a user that the policy
// does not allow can replace a part of it.
func (p Policy) Resolve(path string) (string, error) {
	at, err := p.resolve(path, asTaken)
	if err != nil {
		return "", err
	}
	if at.fault != nil {
		return "", at.fault
	}
	return at.path(), nil
}

// OpenRoot opens the directory at path without checking who can write it or the directories above it, and follows links in path. The
// methods of the directory follow no links below it.
func OpenRoot(path string) (*Dir, error) {
	fd, err := unix.Open(path, searchOnly|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &Dir{file: os.NewFile(uintptr(fd), path), path: path}, nil
}

// OpenFolder opens a directory that the caller of a command names. It may belong to any user, but
// OpenFolder returns an [*Error] if path leads through a link in a directory that another user can
// write.
func OpenFolder(path string) (*os.Root, error) {
	dir, err := onlyLinks().OpenDir(path)
	if err != nil {
		if fault := Unsafe(err); fault != nil {
			fault.Fix = "look at it: if it is yours, name the directory that it refers to"
		}
		return nil, err
	}
	defer dir.Close()
	return dir.root(path)
}

// CheckFolder returns an [*Error] if path, a directory that the caller of a command names, leads
// through a link in a directory that another user can write. The directory may belong to any user.
func CheckFolder(path string) error { return onlyLinks().Check(path) }

// MakeFolder opens a directory for writing that the caller of a command names, and makes it, and those
// above it, if they do not exist. For root it returns an [*Error] where [CheckFolder] does.
func MakeFolder(path string, mode fs.FileMode) (*os.Root, error) {
	if os.Geteuid() != 0 {
		if err := os.MkdirAll(path, mode); err != nil {
			return nil, err
		}
		return os.OpenRoot(path)
	}
	path, err := Abs(path)
	if err != nil {
		return nil, err
	}
	at, err := onlyLinks().resolve(path, asParent)
	if err != nil {
		return nil, err
	}
	if at.fault != nil {
		return nil, at.fault
	}
	dir, err := place{dir: at.dir}.open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if len(at.rest) == 0 {
		return dir.root(path)
	}
	made, err := dir.Make(filepath.Join(at.rest...), mode)
	if err != nil {
		return nil, err
	}
	defer made.Close()
	return made.root(path)
}

// root opens the directory as an [os.Root]. Path is for messages.
func (d *Dir) root(path string) (*os.Root, error) {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return nil, err
	}
	verified, err := d.file.Stat()
	opened, err2 := root.Stat(".")
	if err := errors.Join(err, err2); err != nil || !os.SameFile(verified, opened) {
		_ = root.Close()
		if err == nil {
			err = errors.New("the directory was replaced meanwhile")
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return root, nil
}

// openDir opens a directory in d.
func (d *Dir) openDir(name string) (next *Dir, err error) {
	err = d.call("open", name, func(fd int) error {
		opened, err := openPlain(fd, name, searchOnly|unix.O_DIRECTORY, 0)
		if err == nil {
			next = &Dir{file: os.NewFile(uintptr(opened), d.Entry(name)), path: d.Entry(name)}
		}
		return err
	})
	return next, err
}

// Names returns the names of the entries.
func (d *Dir) Names() ([]string, error) {
	f, err := d.reopen()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// open opens a directory that was resolved. Path is for messages.
func (at place) open(path string) (*Dir, error) {
	fd, err := unix.Open(at.dir, searchOnly|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	dir := &Dir{file: os.NewFile(uintptr(fd), at.dir), path: at.dir}
	if len(at.rest) == 0 {
		return dir, nil
	}
	defer dir.Close()
	fd, err = openPlain(fd, filepath.Join(at.rest...), searchOnly|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return &Dir{file: os.NewFile(uintptr(fd), at.path()), path: at.path()}, nil
}

// Close closes the directory.
func (d *Dir) Close() error { return d.file.Close() }

// Path returns the path of the directory, free of links.
func (d *Dir) Path() string { return d.path }

// Entry returns the path of an entry.
func (d *Dir) Entry(name string) string { return filepath.Join(d.path, name) }

// call runs a system call on the directory until no signal interrupts it, and adds the name to its error.
func (d *Dir) call(op, name string, do func(fd int) error) error {
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, '/') {
		return &fs.PathError{Op: op, Path: d.Entry(name), Err: fs.ErrInvalid}
	}
	for {
		err := do(int(d.file.Fd()))
		runtime.KeepAlive(d.file)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return &fs.PathError{Op: op, Path: d.Entry(name), Err: err}
		default:
			return nil
		}
	}
}

// Open opens an entry without waiting for the other end of a pipe. The flags are those of [os.OpenFile].
func (d *Dir) Open(name string, flags int, mode fs.FileMode) (f *os.File, err error) {
	err = d.call("open", name, func(fd int) error {
		opened, err := openPlain(fd, name, flags|unix.O_NONBLOCK, uint32(mode.Perm()))
		if err == nil {
			f = os.NewFile(uintptr(opened), d.Entry(name))
		}
		return err
	})
	return f, err
}

// Mkdir makes a directory.
func (d *Dir) Mkdir(name string, mode fs.FileMode) error {
	return d.call("mkdir", name, func(fd int) error { return unix.Mkdirat(fd, name, uint32(mode.Perm())) })
}

// Remove removes an entry: a file, a link or an empty directory.
func (d *Dir) Remove(name string) error {
	return d.call("remove", name, func(fd int) error {
		err := unix.Unlinkat(fd, name, 0)
		if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
			if err2 := unix.Unlinkat(fd, name, unix.AT_REMOVEDIR); !errors.Is(err2, unix.ENOTDIR) {
				return err2
			}
		}
		return err
	})
}

// Rename moves an entry to a name in another directory, or in the same one.
func (d *Dir) Rename(name string, to *Dir, newName string) error {
	return d.call("rename", name, func(from int) error {
		return to.call("rename", newName, func(fd int) error { return unix.Renameat(from, name, fd, newName) })
	})
}

// Exists reports whether there is an entry with a name, of any kind.
func (d *Dir) Exists(name string) (bool, error) {
	var st unix.Stat_t
	err := d.call("stat", name, func(fd int) error { return unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// reopen opens the directory for more than lookups.
func (d *Dir) reopen() (*os.File, error) {
	fd, err := openPlain(int(d.file.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	runtime.KeepAlive(d.file)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: d.path, Err: err}
	}
	return os.NewFile(uintptr(fd), d.path), nil
}

// Sync makes the entries of the directory durable.
func (d *Dir) Sync() error {
	f, err := d.reopen()
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// RemoveAll removes an entry and everything below it. Links are removed, not followed.
func (d *Dir) RemoveAll(name string) error {
	err := d.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return err
	}
	below, err := d.Open(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	inner := &Dir{file: below, path: d.Entry(name)}
	defer inner.Close()
	names, err := below.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, entry := range names {
		if err := inner.RemoveAll(entry); err != nil {
			return err
		}
	}
	return d.Remove(name)
}

// Inherit gives a file that was made in d with os.O_EXCL to the owner of d, as the function [Inherit].
func (d *Dir) Inherit(f *os.File) {
	if info, err := d.file.Stat(); err == nil {
		Inherit(f, info)
	}
}
