//go:build unix

package machine

import (
	"io/fs"
	"os/exec"
	"syscall"
)

// Tries reports whether the kernel grants an existing user a permission on a file.
func (a Account) Tries(path string, right fs.FileMode) bool {
	test := "-r"
	if right == ToPass {
		test = "-x"
	}
	if a.UID < 0 || a.GID < 0 {
		return false
	}
	credential := &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID)} //nolint:gosec // they are not negative
	for _, gid := range a.Groups {
		credential.Groups = append(credential.Groups, uint32(gid)) //nolint:gosec // neither are these
	}
	command := exec.Command("test", test, path) //nolint:gosec // the path is one argument, and only looked at
	command.Dir, command.SysProcAttr = "/", &syscall.SysProcAttr{Credential: credential}
	return command.Run() == nil
}
