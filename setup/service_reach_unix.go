//go:build unix

package setup

import (
	"io/fs"
	"os/exec"
	"syscall"
)

// tries reports whether the kernel grants an existing user a permission on a file.
func (a account) tries(path string, right fs.FileMode) bool {
	test := "-r"
	if right == toPass {
		test = "-x"
	}
	if a.uid < 0 || a.gid < 0 {
		return false
	}
	credential := &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)} //nolint:gosec // they are not negative
	for _, gid := range a.groups {
		credential.Groups = append(credential.Groups, uint32(gid)) //nolint:gosec // neither are these
	}
	command := exec.Command("test", test, path) //nolint:gosec // the path is one argument, and only looked at
	command.Dir, command.SysProcAttr = "/", &syscall.SysProcAttr{Credential: credential}
	return command.Run() == nil
}
