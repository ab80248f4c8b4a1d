package main

import (
	"context"
	"errors"
	"path/filepath"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// findServer connects to the running server of a configuration that belongs to the installation in
// dir, which may be empty.
func findServer(c *config.Config, dir string) (*admin.Client, error) {
	client, err := admin.Find(c, installation.ServerUsers(dir)...)
	if errors.Is(err, admin.ErrUntrusted) {
		err = withHint(err, "%s", untrustedRemedy(err))
	}
	return client, err
}

// serverOn finds the running server of the store in root, for the installation in dir.
func serverOn(ctx context.Context, dir, root string) machine.ServerOn {
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, root
	client, err := admin.Find(c, installation.ServerUsers(dir)...)
	switch {
	case errors.Is(err, admin.ErrUntrusted):
		return machine.ServerOn{Doubt: err, Remedy: untrustedRemedy(err)}
	case errors.Is(err, admin.ErrNotRunning):
		return machine.ServerOn{}
	case err != nil:
		return machine.ServerOn{Doubt: err, Remedy: remedyNoAnswer}
	}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return machine.ServerOn{Doubt: err, Remedy: remedyNoAnswer}
	}
	return machine.ServerOn{Up: true, PID: status.PID, Config: status.Config}
}

// untrustedRemedy returns what to do about an admin.ErrUntrusted.
func untrustedRemedy(err error) string {
	if fault := trust.Unsafe(err); fault != nil {
		return fault.Fix
	}
	return "if that user runs your server, run the command as that user; " +
		"if not, stop the process (ss -xlp names it) and remove the socket"
}

// serversOf returns the IDs of the users that run a configuration's server, if known.
func (a *app) serversOf(path string) []int {
	dir := ""
	if path != "" {
		dir = filepath.Dir(path)
	}
	return installation.ServerUsers(dir)
}
