//go:build unix

package deployment

import (
	"fmt"
	"os"
	"syscall"

	"packhouse/server/config"
)

// BecomeOwner makes root continue as the owner of a store on disk, whose server could not read
// files that root writes. It cannot be undone in this process.
func BecomeOwner(c *config.Config) error {
	if c.Storage.Driver != config.Filesystem || os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(c.Storage.Filesystem.RootDirectory)
	if err != nil {
		return nil // opening the store reports a better error
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	for _, become := range []func() error{
		func() error { return syscall.Setgroups(nil) },
		func() error { return syscall.Setgid(int(owner.Gid)) },
		func() error { return syscall.Setuid(int(owner.Uid)) },
	} {
		if err := become(); err != nil {
			return fmt.Errorf("become the owner of %s: %w", c.Storage.Filesystem.RootDirectory, err)
		}
	}
	return nil
}
