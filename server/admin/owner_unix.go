//go:build unix

package admin

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

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
		return untrusted("%s is not a socket", path)
	}
	if uid := ownerOf(info); !a.includes(uid) {
		return untrusted("%s belongs to user %d, not to the user of the server", path, uid)
	}
	if os.Geteuid() != 0 {
		return a.verifyAbove(path)
	}
	if err := (trust.Policy{Users: a}).Check(path); trust.Unsafe(err) != nil {
		return untrusted("%w", err)
	} else if err != nil {
		return err
	}
	return nil
}

// verifyAbove verifies the owner of every directory above path, with symbolic links resolved. Modes
// do not count: volumes of containers are often writable by all of their users.
func (a accounts) verifyAbove(path string) error {
	dir, err := filepath.Abs(filepath.Dir(path))
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
		if uid := ownerOf(info); !a.includes(uid) {
			return untrusted("%s belongs to user %d, not to the user of the server", dir, uid)
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
		return untrusted("%s belongs to user %d", dir, uid)
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
