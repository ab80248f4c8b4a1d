package setup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"packhouse/trust"
)

// largestRecord bounds in bytes the unit and the manifest as [ServerUsers] reads them.
const largestRecord = 1 << 20

// settingRunAs is the setting of a manifest that names the user of the server.
const settingRunAs = "run-as"

// ServerUsers returns the IDs of the users that the systemd unit and the manifest of the installation in dir name as the server's. Without a
// directory, dir is empty. A file that a user other than root and the acting user can write names nobody.
func ServerUsers(dir string) []int { return serverUsers(UnitFile, dir) }

// serverUsers is ServerUsers with the systemd unit elsewhere.
func serverUsers(unit, dir string) []int { return userIDs(userOfUnit(unit), userOfManifest(dir)) }

// userIDs returns the IDs of users that are given by name or ID. It leaves out empty names and unknown users.
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

// userOfManifest returns the user of the server that the manifest in dir names, or "".
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
	return m.Settings[settingRunAs]
}

// serverUsers returns the IDs of the users that the server of an installation runs as: the one in its manifest, and the named ones.
func (in *Installed) serverUsers(names ...string) []int {
	if in != nil && in.Manifest != nil {
		names = append(names, in.Manifest.Settings[settingRunAs])
	}
	return userIDs(names...)
}

// serverUsers returns the IDs of the users of the server before and after a plan.
func (p *Plan) serverUsers() []int {
	return p.installed.serverUsers(p.Resolved.Answers.RunAs, p.plannedUser())
}

// plannedUser returns the user that the server runs as after a plan, as the manifest that it writes says, or "".
func (p *Plan) plannedUser() string {
	c := p.change(ManifestFile)
	m := &Manifest{}
	if c == nil || json.Unmarshal(c.After, m) != nil {
		return ""
	}
	return m.Settings[settingRunAs]
}
