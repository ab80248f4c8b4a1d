package installation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"packhouse/setup"
	"packhouse/trust"
)

// largestRecord is the maximum size in bytes of a unit and manifest that [ServerUsers] reads.
const largestRecord = 1 << 20

// SettingRunAs is the manifest setting with the server's user.
const SettingRunAs = "run-as"

// ServerUsers returns the IDs of the server's users according to the systemd unit and the manifest
// of the installation in dir, which may be empty. It ignores a file that a user other than root and
// the acting user can write.
func ServerUsers(dir string) []int { return serverUsers(setup.UnitFile, dir) }

// serverUsers is ServerUsers with another path of the systemd unit.
func serverUsers(unit, dir string) []int { return userIDs(userOfUnit(unit), userOfManifest(dir)) }

// userIDs returns the IDs of users given by name or ID. It skips empty names and unknown users.
func userIDs(names ...string) (ids []int) {
	for _, name := range names {
		if name == "" {
			continue
		}
		id, err := strconv.Atoi(name)
		if err != nil {
			account, err := user.Lookup(name)
			if err != nil {
				continue
			}
			if id, err = strconv.Atoi(account.Uid); err != nil {
				continue
			}
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// userOfUnit returns User= of a systemd unit, or "".
func userOfUnit(path string) string {
	text, err := trust.Self().ReadFile(path, largestRecord)
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

// userOfManifest returns the server's user according to the manifest in dir, or "".
func userOfManifest(dir string) string {
	if dir == "" {
		return ""
	}
	text, err := trust.Self().ReadFile(filepath.Join(dir, ManifestFile), largestRecord)
	if err != nil {
		return ""
	}
	var m Manifest
	if json.Unmarshal(text, &m) != nil {
		return ""
	}
	return m.Settings[SettingRunAs]
}

// ServerUsers returns the IDs of the server's users: the one in the manifest, and names.
func (in *Installed) ServerUsers(names ...string) []int {
	if in != nil && in.Manifest != nil {
		names = append(names, in.Manifest.Settings[SettingRunAs])
	}
	return userIDs(names...)
}

// Service returns the service manager of the installation, or "" if unknown.
func (in *Installed) Service() string {
	if in == nil || in.Manifest == nil {
		return ""
	}
	return in.Manifest.Settings["service"]
}

// Lists reports whether the manifest lists a file.
func (in *Installed) Lists(path string) bool {
	return in.Manifest != nil &&
		slices.ContainsFunc(in.Manifest.Files, func(row ManifestFileRow) bool { return row.At(in.Dir) == path })
}

// ServiceUser returns the user that systemd runs the server as, or "" if systemd does not run it.
func (in *Installed) ServiceUser() string {
	if in == nil || !in.Supervised() {
		return ""
	}
	return in.Manifest.Settings[SettingRunAs]
}

// Supervised reports whether systemd runs the server of the installation.
func (in *Installed) Supervised() bool {
	return in.Service() == setup.Systemd && in.Lists(setup.UnitFile)
}
