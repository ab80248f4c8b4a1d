//go:build unix

package main

import (
	"os"
	"syscall"
)

// remedies are for errors of the operating system, the most specific first.
var remedies = [...]struct {
	err    error
	remedy string
}{
	{syscall.ENOSPC, "make room there: df -h and df -i tell whether bytes or inodes are used up"},
	{syscall.EDQUOT, "the quota of this user is used up: make room, or have it raised"},
	{syscall.EROFS, "the file system is mounted read-only: mount it writable, or name another place"},
	{syscall.EBUSY, "something holds it: where the file itself is mounted, as container engines can, mount its directory instead"},
	{syscall.EMFILE, "too many files are open: ulimit -n raises the limit"},
	{syscall.EISDIR, "it is a directory: name the file in it"},
	{syscall.ENOTDIR, "a part of the path is a file: correct the path"},
	{syscall.ECONNREFUSED, "nothing listens there: see that the server runs, and the port"},
	{syscall.EADDRINUSE, "another process has the port: ss -ltnp names it"},
	{os.ErrPermission, "run the command as the owner of the file, or as root"},
	{os.ErrNotExist, "correct the path"},
	{os.ErrExist, "name another file, or move the existing one away"},
}
