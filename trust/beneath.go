package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"packhouse/printable"
)

// Make opens the directory with a name below d, and makes each part of it that does not exist. It returns an [*Error] if a part is a
// symbolic link or another kind of file, regardless of its owner.
func (d *Dir) Make(name string, mode fs.FileMode) (*Dir, error) {
	return d.walk(name, func(at *Dir, part string) error {
		if err := at.Mkdir(part, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
}

// Sub opens the directory with a name below d. It returns an [*Error] if a part is a symbolic link or another file.
func (d *Dir) Sub(name string) (*Dir, error) {
	return d.walk(name, func(*Dir, string) error { return nil })
}

// walk calls prepare with each part of a name, and opens it.
func (d *Dir) walk(name string, prepare func(at *Dir, part string) error) (*Dir, error) {
	at := d
	for part := range strings.SplitSeq(filepath.ToSlash(filepath.Clean(name)), "/") {
		var next *Dir
		err := prepare(at, part)
		if err == nil {
			next, err = at.sub(part)
		}
		if at != d {
			_ = at.Close()
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// sub opens a directory in d.
func (d *Dir) sub(name string) (*Dir, error) {
	info, err := os.Lstat(d.Entry(name)) // for messages; openDir decides
	if err != nil {
		return nil, err
	}
	next, err := d.openDir(name)
	if err != nil && !info.IsDir() {
		return nil, wrongKind(d.Entry(name), info, "a directory")
	}
	return next, err
}

// OpenRegular opens an entry that is a regular file with a single name, and never waits for the other end of a pipe. The flags are those of
// [os.OpenFile] without O_TRUNC. It returns an [*Error] if the entry is a symbolic link, a device, a pipe, or has further hard links.
func (d *Dir) OpenRegular(name string, flags int, mode fs.FileMode) (*os.File, error) {
	f, err := d.Open(name, flags, mode)
	if err != nil {
		if info, e := os.Lstat(d.Entry(name)); e == nil && !info.Mode().IsRegular() && !info.IsDir() {
			return nil, wrongKind(d.Entry(name), info, regularFile)
		}
		return nil, err
	}
	if err := verifyKind(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// verifyKind returns an error if an open file is a directory, and an [*Error] if it is not a regular file with a single name.
func verifyKind(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		return &fs.PathError{Op: "read", Path: f.Name(), Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		return wrongKind(f.Name(), info, regularFile)
	}
	if hardLinks(info) > 1 {
		return hardLinked(f.Name(), info)
	}
	return nil
}

// hardLinked reports a file that has further hard links.
func hardLinked(path string, info fs.FileInfo) *Error {
	name, copied := printable.Shell(path), printable.Shell(path+".new")
	return NewError(path, info, "it has further hard links, so its content may belong elsewhere",
		fmt.Sprintf("look at it first: if it is not yours, remove it with rm %s, otherwise run cp %s %s && mv %s %s",
			name, name, copied, copied, name))
}

// Replace writes a file under a staged name and moves it to its name.
func (d *Dir) Replace(name, staged string, data []byte, mode fs.FileMode) error {
	if err := d.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.Open(staged, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	d.Inherit(f)
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return d.Rename(staged, d, name)
}

const regularFile = "a regular file"

// wrongKind reports an entry that is not of the kind that it must be.
func wrongKind(path string, info fs.FileInfo, expected string) *Error {
	return NewError(path, info, "it is "+kindOf(info.Mode())+", not "+expected, removal(path))
}

// MoveAway returns what to do about a directory, or another entry, in the place of a file.
func MoveAway(path string) string {
	return "move it away with mv " + printable.Shell(path) + " " + printable.Shell(path+".away")
}

// MountWritable returns what to do about a path on a file system that is mounted read-only.
func MountWritable(path string) string {
	for parent := filepath.Dir(path); parent != path; path, parent = parent, filepath.Dir(parent) {
		if _, err := os.Stat(path); err == nil {
			break
		}
	}
	return `mount it writable with mount -o remount,rw "$(findmnt -n -o TARGET -T ` + printable.Shell(path) + `)"`
}

// removal returns what to do about a file that another user may have planted.
func removal(path string) string {
	return "look at it first: if it is not yours, remove it with rm " + printable.Shell(path)
}
