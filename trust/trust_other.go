//go:build !unix

package trust

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Self returns the policy of the effective user.
func Self() Policy { return Policy{UID: -1} }

type place struct{ fault *Error }

const asTarget = 0

func (p Policy) resolve(string, int) (place, error) { return place{}, nil }

// Resolve returns path with all symbolic links in it resolved.
func (p Policy) Resolve(path string) (string, error) { return filepath.EvalSymlinks(path) }

// OpenToOwn opens the directory at path, so that its owner and mode can be changed.
func (p Policy) OpenToOwn(path string) (*os.File, error) { return os.Open(path) }

// Dir is a directory. Its methods act on the entry with a name.
type Dir struct{ path string }

// OpenDir returns the directory at path.
func (p Policy) OpenDir(path string) (*Dir, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	if err != nil {
		return nil, err
	}
	return &Dir{path}, nil
}

// OpenRoot returns the directory at path.
func OpenRoot(path string) (*Dir, error) { return Self().OpenDir(path) }

// OpenFolder opens the directory at path.
func OpenFolder(path string) (*os.Root, error) { return os.OpenRoot(path) }

// CheckFolder accepts every directory.
func CheckFolder(string) error { return nil }

// MakeFolder opens the directory at path, and makes it if it does not exist.
func MakeFolder(path string, mode fs.FileMode) (*os.Root, error) {
	if err := os.MkdirAll(path, mode); err != nil {
		return nil, err
	}
	return os.OpenRoot(path)
}

func (d *Dir) openDir(name string) (*Dir, error) {
	if info, err := os.Lstat(d.Entry(name)); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, &fs.PathError{Op: "open", Path: d.Entry(name), Err: fs.ErrInvalid}
	}
	return Self().OpenDir(d.Entry(name))
}

// Names returns the names of the entries.
func (d *Dir) Names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// Close closes the directory.
func (d *Dir) Close() error { return nil }

// Path returns the path of the directory.
func (d *Dir) Path() string { return d.path }

// Entry returns the path of an entry.
func (d *Dir) Entry(name string) string { return filepath.Join(d.path, name) }

// Open opens an entry. The flags are those of [os.OpenFile].
func (d *Dir) Open(name string, flags int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(d.Entry(name), flags, mode)
}

// Mkdir makes a directory.
func (d *Dir) Mkdir(name string, mode fs.FileMode) error { return os.Mkdir(d.Entry(name), mode) }

// Remove removes an entry: a file, a link or an empty directory.
func (d *Dir) Remove(name string) error { return os.Remove(d.Entry(name)) }

// RemoveAll removes an entry and everything below it.
func (d *Dir) RemoveAll(name string) error { return os.RemoveAll(d.Entry(name)) }

// Rename moves an entry to a name in another directory, or in the same one.
func (d *Dir) Rename(name string, to *Dir, newName string) error {
	return os.Rename(d.Entry(name), to.Entry(newName))
}

// Exists reports whether there is an entry with a name, of any kind.
func (d *Dir) Exists(name string) (bool, error) {
	_, err := os.Lstat(d.Entry(name))
	if os.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

// Sync does nothing: the entries of directories cannot be made durable here.
func (d *Dir) Sync() error { return nil }

// UserName describes a user for messages.
func UserName(uid int) string { return fmt.Sprintf("uid %d", uid) }

// Abs returns path as an absolute path.
func Abs(path string) (string, error) { return filepath.Abs(path) }

func split(path string) (dir, base string) { return filepath.Dir(path), filepath.Base(path) }

// Inherit does nothing.
func (d *Dir) Inherit(*os.File) {}

// Inherit does nothing.
func Inherit(*os.File, fs.FileInfo) {}

func groupName(gid int) string { return fmt.Sprintf("gid %d", gid) }

func accountName(uid int) string { return fmt.Sprint(uid) }

// NewError returns an error about the file info at path.
func NewError(path string, info fs.FileInfo, reason, fix string) *Error {
	return &Error{Path: path, Mode: info.Mode(), Reason: reason, Fix: fix}
}

func hardLinks(fs.FileInfo) uint64 { return 1 }

// Verify accepts every file.
func (p Policy) Verify(*os.File) error { return nil }

// Caller returns the policy of the effective user.
func Caller() Policy { return Self() }

// CheckInput accepts every path.
func CheckInput(string, ...int) error { return nil }

func verifyInput(string, fs.FileInfo) error { return nil }

// CheckLog accepts every path.
func CheckLog(string, ...int) error { return nil }

func openPath(path string) (*os.File, error) { return os.Open(path) }

// OpenLog opens a file for appending, and makes it if it does not exist.
func OpenLog(path string, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, mode)
}
