//go:build unix

package admin

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// verifyOwners returns an ErrUntrusted unless the socket at path, its directory and every directory
// above it belong to one of a. For root none of them may be writable by another user, except for
// sticky directories such as /tmp above the socket's own. It returns fs.ErrNotExist if there is no
// socket.
func (a accounts) verifyOwners(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSocket == 0 {
		return untrusted("%s is not a socket", path)
	}
	if uid := ownerOf(info); !a.includes(uid) {
		return untrusted("%s is owned by user %d, not by the user of the server", path, uid)
	}
	absolute, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return err
	}
	resolved, err := filepath.EvalSymlinks(absolute)
	if err != nil {
		return err
	}
	if err := a.verifyChain(resolved); err != nil || resolved == absolute {
		return err
	}
	return a.verifyChain(absolute) // a symlink is only as good as the directory that contains it
}

// verifyChain verifies dir and every directory above it.
func (a accounts) verifyChain(dir string) error {
	strict := os.Geteuid() == 0
	for sticky := false; ; sticky = true {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if uid := ownerOf(info); !a.includes(uid) {
			return untrusted("%s is owned by user %d, not by the user of the server", dir, uid)
		}
		open := info.Mode().Perm()&0o022 != 0 && !(sticky && info.Mode()&fs.ModeSticky != 0)
		if strict && open {
			return untrusted("%s has mode %04o: other users can write to it", dir, info.Mode().Perm())
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return nil
		}
		dir = parent
	}
}

// verifyDirectory returns an ErrUntrusted unless the server can create its socket in dir safely: dir
// belongs to root or to the server's user, and no other user can write to it.
func verifyDirectory(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("read directory of the admin socket: %w", err)
	}
	if uid := ownerOf(info); uid != 0 && uid != os.Geteuid() {
		return untrusted("%s is owned by user %d", dir, uid)
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
