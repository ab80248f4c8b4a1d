package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/trust"
)

// mostRecord bounds the unit and the installation record, in bytes.
const mostRecord = 1 << 20

// findServer connects to the running server of a configuration that belongs to the installation in
// dir, which may be empty.
func findServer(c *config.Config, dir string) (*admin.Client, error) {
	client, err := admin.Find(c, serverUsers(setup.UnitFile, dir)...)
	if errors.Is(err, admin.ErrUntrusted) {
		err = withHint(err, "%s", untrustedRemedy(err))
	}
	return client, err
}

// serverOn finds the running server of the store in root.
func serverOn(ctx context.Context, root string) setup.ServerOn {
	c := &config.Config{}
	c.Storage.Driver, c.Storage.Filesystem.RootDirectory = config.Filesystem, root
	client, err := findServer(c, root)
	if err != nil {
		return setup.ServerOn{Up: !errors.Is(err, admin.ErrNotRunning)}
	}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return setup.ServerOn{}
	}
	return setup.ServerOn{Up: true, PID: status.PID, Config: status.Config}
}

// untrustedRemedy returns what to do about an admin.ErrUntrusted.
func untrustedRemedy(err error) string {
	if fault := trust.Unsafe(err); fault != nil {
		return fault.Fix
	}
	return "if that user runs your server, run this command as that user; otherwise remove the socket"
}

// serverUsers returns the IDs of the users that the systemd unit and the record of the installation in
// dir name as the server's. A file that a user other than root can write names nobody.
func serverUsers(unit, dir string) []int {
	var ids []int
	for _, name := range []string{userOfUnit(unit), userOfInstallation(dir)} {
		if name == "" {
			continue
		}
		if id, err := strconv.Atoi(name); err == nil {
			ids = append(ids, id)
		} else if account, err := user.Lookup(name); err == nil {
			if id, err := strconv.Atoi(account.Uid); err == nil {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// serversOf returns the IDs of the users that the server of a configuration runs as, if that is known.
func (a *app) serversOf(path string) []int {
	dir := ""
	if path != "" {
		dir = filepath.Dir(path)
	}
	return serverUsers(setup.UnitFile, dir)
}

// userOfUnit returns User= of a systemd unit that only root can write.
func userOfUnit(path string) string {
	text, err := trust.Policy{}.ReadFile(path, mostRecord)
	if err != nil {
		return ""
	}
	name := ""
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if value, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "User="); ok {
			name = strings.TrimSpace(value) // the last one counts, as in systemd
		}
	}
	return name
}

// userOfInstallation returns the server's user in the record of an installation that only root can write.
func userOfInstallation(dir string) string {
	if dir == "" {
		return ""
	}
	text, err := trust.Policy{}.ReadFile(filepath.Join(dir, setup.ManifestFile), mostRecord)
	if err != nil {
		return ""
	}
	var record setup.Manifest
	if json.Unmarshal(text, &record) != nil {
		return ""
	}
	return record.Settings["run-as"]
}
