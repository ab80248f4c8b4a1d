//go:build unix

package check

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownerOf returns the user ID of a file's owner.
func ownerOf(info fs.FileInfo) (uid int, known bool) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), true
	}
	return 0, false
}

// userName returns the name of a user, or the ID if the user does not exist.
func userName(uid int) string {
	text := strconv.Itoa(uid)
	if u, err := user.LookupId(text); err == nil {
		return u.Username
	}
	return text
}

// OwnerOf returns the owner of a file, or nil if unknown. The owner of a directory in /proc is the
// user of the process.
func OwnerOf(path string) *Account {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	uid, known := ownerOf(info)
	if !known {
		return nil
	}
	return &Account{Name: userName(uid), UID: uid}
}

// groupOf returns the group ID of a file, or "" if unknown.
func groupOf(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.Itoa(int(s.Gid))
	}
	return ""
}
