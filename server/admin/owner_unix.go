//go:build unix

package admin

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"packhouse/printable"
	"packhouse/trust"
)

// verifyOwners returns an ErrUntrusted unless the socket at path and every directory above it
// belong to one of a. For root no other user may be able to write to any of them either. It returns
// fs.ErrNotExist if there is no socket.
func (a accounts) verifyOwners(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return untrusted("%w", trust.NewError(path, info, "it is not a socket",
			"look at it first: if it is not yours, remove it with rm "+printable.Shell(path)))
	}
	if !a.includes(ownerOf(info)) {
		return untrusted("%w", foreign(path, info,
			"stop the process that listens there and remove it with rm "+printable.Shell(path)))
	}
	if os.Geteuid() != 0 {
		return a.verifyAbove(path)
	}
	if err := (trust.Policy{Users: a}).Check(path); trust.Unsafe(err) != nil {
		return untrusted("%w", trust.Unsafe(err).ForServer())
	} else if err != nil {
		return err
	}
	return nil
}

// foreign returns an error about a socket, or a directory above one, of a user whom nothing names as
// the server's. otherwise is the fix if the server does not run as that user.
func foreign(path string, info fs.FileInfo, otherwise string) *trust.Error {
	return trust.NewError(path, info, "it belongs to another user", "").IfServer(otherwise)
}

// verifyAbove verifies the owner of every directory above path, with symbolic links resolved. Modes
// do not count: volumes of containers are often writable by all of their users.
func (a accounts) verifyAbove(path string) error {
	dir, err := trust.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	for {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if !a.includes(ownerOf(info)) {
			return untrusted("%w", foreign(dir, info, "use a directory of your own"))
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

// verifyDirectory returns an ErrUntrusted unless the server can create its socket in dir safely:
// dir belongs to root or to the server's user, and no other user can write to it.
func verifyDirectory(dir string) error {
	if err := trust.CheckLinks(dir); err != nil {
		return untrusted("%w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("read directory of the admin socket: %w", err)
	}
	if uid := ownerOf(info); uid != 0 && uid != os.Geteuid() {
		return untrusted("%s belongs to %s", dir, trust.UserName(uid))
	}
	if info.Mode().Perm()&0o022 != 0 {
		return untrusted("%s has mode %04o: other users can write to it", dir, info.Mode().Perm())
	}
	return nil
}

// ownerOf returns the user ID of a file's owner; -1 if it is unknown.
func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
