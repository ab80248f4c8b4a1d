//go:build unix

package cli

import (
	"os"
	"syscall"
)

// remedies are for errors of the operating system, the most specific first.
var remedies = [...]struct {
	err    error
	remedy string
}{
	{syscall.ENOSPC, "free space: df -h and df -i show whether bytes or inodes are used up"},
	{syscall.EDQUOT, "the quota of this user is used up: free space, or ask for a larger one"},
	{syscall.EROFS, "the file system is mounted read-only: mount it writable, or name another place"},
	{syscall.EBUSY, "the file is in use: if a container engine mounts the file itself, mount its directory instead"},
	{syscall.EMFILE, "too many files are open: raise the limit with ulimit -n 4096"},
	{syscall.EISDIR, "it is a directory: name the file in it"},
	{syscall.ENOTDIR, "a part of the path is a file: correct the path"},
	{syscall.ECONNREFUSED, "nothing listens there: see that the server runs, and the port"},
	{syscall.EADDRINUSE, "another process has the port: ss -ltnp names it"},
	{os.ErrPermission, "run the command as the owner of the file, or as root"},
	{os.ErrNotExist, "correct the path"},
	{os.ErrExist, "name another file, or move the existing one away"},
}
