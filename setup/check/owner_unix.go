//go:build unix

package check

import (
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// ownerOf returns who owns a file.
func ownerOf(info fs.FileInfo) (uid int, known bool) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(s.Uid), true
	}
	return 0, false
}

// userName is the name of a user, or the number where there is none.
func userName(uid int) string {
	text := strconv.Itoa(uid)
	if u, err := user.LookupId(text); err == nil {
		return u.Username
	}
	return text
}

// OwnerOf returns the owner of a file, which for a directory below /proc is the user of the process; nil if unknown.
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

// groupOf returns the ID of the group of a file, or "" if it is unknown.
func groupOf(info fs.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return strconv.Itoa(int(s.Gid))
	}
	return ""
}
