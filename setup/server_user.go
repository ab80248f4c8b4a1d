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

// largestRecord is the maximum size in bytes of a unit and manifest that [ServerUsers] reads.
const largestRecord = 1 << 20

// settingRunAs is the manifest setting with the server's user.
const settingRunAs = "run-as"

// ServerUsers returns the IDs of the server's users according to the systemd unit and the manifest
// of the installation in dir, which may be empty. It ignores a file that a user other than root and
// the acting user can write.
func ServerUsers(dir string) []int { return serverUsers(UnitFile, dir) }

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
	return m.Settings[settingRunAs]
}

// serverUsers returns the IDs of the server's users: the one in the manifest, and names.
func (in *Installed) serverUsers(names ...string) []int {
	if in != nil && in.Manifest != nil {
		names = append(names, in.Manifest.Settings[settingRunAs])
	}
	return userIDs(names...)
}

// serverUsers returns the IDs of the server's users before and after a plan.
func (p *Plan) serverUsers() []int {
	return p.installed.serverUsers(p.Resolved.Answers.RunAs, p.plannedUser())
}

// plannedUser returns the server's user after a plan, according to the manifest that it writes, or
// "".
func (p *Plan) plannedUser() string {
	c := p.change(ManifestFile)
	m := &Manifest{}
	if c == nil || json.Unmarshal(c.After, m) != nil {
		return ""
	}
	return m.Settings[settingRunAs]
}
