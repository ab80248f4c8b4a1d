//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"

	"packhouse/server/config"
)

// becomeOwner has root go on as the user whom a store on disk belongs to: what root wrote into it, the server of that user could not read. It
// cannot be undone in this process.
func becomeOwner(c *config.Config) error {
	if c.Storage.Driver != config.Filesystem || os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(c.Storage.Filesystem.RootDirectory)
	if err != nil {
		return nil // opening the store says it better
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
