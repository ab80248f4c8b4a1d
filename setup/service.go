package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/templates"
)

// Values of [Answers.Service].
const (
	NoService = "none"    // started manually
	Systemd   = "systemd" // started by systemd, as its own user
)

// Unit is the name of the systemd unit, and UnitFile its path.
const (
	Unit     = "packhouse.service"
	UnitFile = "/etc/systemd/system/" + Unit
)

// pendingID is the ID of a user and a group that [Apply] creates first.
const pendingID = -2

// account is the user that runs the server.
type account struct {
	name, group string
	uid, gid    int
	groups      []int // all groups of the user
}

// findAccount looks up a user. A user with the program's own name may be missing: [Apply] creates
// it.
func findAccount(name string) (account, error) {
	u, err := user.Lookup(name)
	if errors.As(err, new(user.UnknownUserError)) && name == ownName {
		return account{name: name, group: name, uid: pendingID, gid: pendingID}, nil
	}
	if err != nil {
		return account{}, err
	}
	a := account{name: name, group: u.Gid}
	if a.uid, err = strconv.Atoi(u.Uid); err != nil {
		return account{}, err
	}
	if a.gid, err = strconv.Atoi(u.Gid); err != nil {
		return account{}, err
	}
	if g, err := user.LookupGroupId(u.Gid); err == nil {
		a.group = g.Name
	}
	ids, err := u.GroupIds()
	if err != nil {
		ids = []string{u.Gid}
	}
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			a.groups = append(a.groups, gid)
		}
	}
	return a, nil
}

// makeAccount creates the user that a plan needs, or uses an existing one unchanged, and sets its
// IDs in the plan.
func (p *Plan) makeAccount() error {
	needed := slices.ContainsFunc(p.Changes, func(c Change) bool { return c.UID == pendingID || c.GID == pendingID })
	if !needed {
		return nil
	}
	a, err := findAccount(ownName)
	if err == nil && a.uid == pendingID {
		out, failure := exec.Command("useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", ownName).CombinedOutput()
		if failure != nil {
			return fmt.Errorf("make user %s: %w: %s", ownName, failure, out)
		}
		a, err = findAccount(ownName)
	}
	if err != nil {
		return fmt.Errorf("make user %s: %w", ownName, err)
	}
	theirs := map[string]account{} // by path in the manifest
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.UID == pendingID {
			c.UID = a.uid
		}
		if c.GID == pendingID {
			c.GID = a.gid
		}
		theirs[rel(p.Dir, c.Path)] = account{uid: c.UID, gid: c.GID}
	}
	return p.ownersInManifest(theirs)
}

// ownersInManifest updates the owners of a plan's files in the manifest.
func (p *Plan) ownersInManifest(theirs map[string]account) error {
	c := p.change(filepath.Join(p.Dir, ManifestFile))
	if c == nil || c.After == nil {
		return nil
	}
	m := &Manifest{}
	if err := json.Unmarshal(c.After, m); err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	r := p.roots()
	m.decode(r)
	for i := range m.Files {
		if a, ok := theirs[m.Files[i].Path]; ok && a.uid >= 0 {
			m.Files[i].UID, m.Files[i].GID = a.uid, a.gid
		}
	}
	var err error
	c.After, err = m.encode(r)
	return err
}

// service plans the server's unit, and gives the user that runs the server ownership of the files
// it reads and writes.
func (b *builder) service() error {
	unit := b.options.unitFile
	if unit == "" {
		unit = UnitFile
	}
	if b.answers.Service != Systemd {
		if b.installed.service() == Systemd {
			b.takeBack(unit)
		}
		return nil
	}
	if _, err := os.Lstat(unit); err == nil && !b.installed.lists(unit) {
		return &finding.Error{Findings: []finding.Finding{{
			Subject: finding.Subject{Question: "service", Flag: "--service"}, Severity: finding.Refused, Code: CodeService, What: unit + " is there already, and is not this installation's", Remedy: "move it away, or let systemd run the server by a unit of your own",
		}}}
	}
	a, err := findAccount(b.answers.RunAs)
	if err != nil {
		return err
	}
	program, err := ownProgram()
	if err != nil {
		return err
	}
	s := templates.Service{Name: Unit, Program: program, Config: b.path(ConfigFile), Dir: b.dir, User: a.name, Group: a.group}
	planned := b.plan.config() // MakePlan validates the file and reports its errors
	s.Writable, s.LowPort = b.written(planned), lowPort(planned)
	owned := map[string]bool{b.path(HtpasswdFile): true, b.path(KeyFile): true, b.path(OwnKeyFile): true}
	if b.answers.Storage == config.Filesystem && filepath.IsAbs(b.answers.StoragePath) {
		s.StoragePath = b.answers.StoragePath
		s.Writable = append(s.Writable, b.answers.StoragePath)
		record := filepath.Join(b.answers.StoragePath, filepath.FromSlash(ownerFile))
		owned[b.answers.StoragePath], owned[record], owned[filepath.Dir(record)] = true, true, true
	}
	if cache := b.path(acmeCache); b.answers.TLS == LetsEncrypt && acmeCacheFile(b.installed, &b.answers) == cache {
		s.Writable = append(s.Writable, cache)
		if b.plan.change(cache) == nil {
			b.directory(cache, 0o700)
		}
		owned[cache] = true
	}
	text, err := s.Render()
	if err != nil {
		return err
	}
	b.put(unit, 0o644, text, false, "systemd runs the server as "+a.name)
	for i := range b.plan.Changes {
		c := &b.plan.Changes[i]
		switch {
		case c.Kind == Remove:
		case owned[c.Path] && b.readByGroup(c, a.gid):
		case owned[c.Path]:
			b.give(c, a.name, c.Mode, a.uid, a.gid)
		case c.Path == b.path("auth"), c.Path == b.path("certs"): // the server may traverse them, but cannot replace ca.key
			b.give(c, "root, for "+a.name+" to pass", fs.ModeDir|0o750, 0, a.gid)
		case c.Path == b.path(ConfigFile) && c.Mode.Perm()&0o004 == 0:
			b.give(c, "root, for "+a.name+" to read", c.Mode|0o040, 0, a.gid)
		}
	}
	return nil
}

// takeBack plans that systemd no longer runs the server. Root becomes the owner of the files of the
// server's user, because root now starts the server.
func (b *builder) takeBack(unit string) {
	if _, err := os.Lstat(unit); err == nil {
		b.remove(unit, false, "systemd does not run the server any more")
	}
	theirs := []string{b.path("auth"), b.path("certs"), b.path(HtpasswdFile), b.path(KeyFile), b.path(OwnKeyFile), b.answers.StoragePath}
	if record := filepath.Join(b.answers.StoragePath, filepath.FromSlash(ownerFile)); b.answers.storeRoot() != "" {
		theirs = append(theirs, record, filepath.Dir(record))
	}
	for i := range b.plan.Changes {
		c := &b.plan.Changes[i]
		switch {
		case c.Kind == Remove:
		case slices.Contains(theirs, c.Path):
			mode := c.Mode
			if mode.IsDir() && c.Path != b.answers.StoragePath {
				mode = fs.ModeDir | 0o700
			}
			b.give(c, "root", mode, 0, 0)
		case c.Path == b.path(ConfigFile) && c.Mode.Perm()&0o044 == 0o040: // it was readable by the server's group
			b.give(c, "root", c.Mode&^0o070, 0, 0)
		}
	}
}

// lowPort reports whether c has a listener on a port below 1024, which needs a capability. It
// returns true if c is nil, because a server without the capability would not start.
func lowPort(c *config.Config) bool {
	if c == nil {
		return true
	}
	addrs := []string{c.HTTP.Debug.Addr, c.HTTP.TLS.LetsEncrypt.HTTPAddr}
	if c.HTTP.Net != "unix" {
		addrs = append(addrs, c.HTTP.Addr)
	}
	return slices.ContainsFunc(addrs, func(addr string) bool {
		_, port, err := net.SplitHostPort(addr)
		number, bad := strconv.ParseUint(port, 10, 16)
		return addr != "" && (err != nil || bad != nil || number > 0 && number < 1024)
	})
}

// written returns the directories that the server writes to according to c, except the store and
// setup's own ACME cache, which are known from the answers.
func (b *builder) written(c *config.Config) []string {
	if c == nil {
		return nil
	}
	var dirs []string
	add := func(dir string) {
		if filepath.IsAbs(dir) && dir != b.path(acmeCache) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	if filepath.IsAbs(c.Log.Audit.Path) {
		add(filepath.Dir(c.Log.Audit.Path))
	}
	if c.HTTP.Net == "unix" && filepath.IsAbs(c.HTTP.Addr) {
		add(filepath.Dir(c.HTTP.Addr))
	}
	if c.HTTP.TLS.LetsEncrypt.Enabled() {
		add(c.HTTP.TLS.LetsEncrypt.CacheFile)
	}
	return dirs
}

// readByGroup reports whether root owns a file that the server's group can read. The operator chose
// that, so it is kept.
func (b *builder) readByGroup(c *Change, gid int) bool {
	return !c.Mode.IsDir() && c.Kind != Create && c.UID == 0 && c.GID == gid && c.Mode.Perm()&0o040 != 0
}

// give sets the owner and the mode of a change.
func (b *builder) give(c *Change, whose string, mode fs.FileMode, uid, gid int) {
	c.Mode, c.UID, c.GID = mode, uid, gid
	info, err := os.Stat(c.Path)
	if err != nil {
		return // it is created with these
	}
	haveUID, haveGID := owner(info)
	same := haveUID == uid && haveGID == gid && info.Mode().Perm() == mode.Perm()
	switch {
	case same && (mode.IsDir() || string(c.Before) == string(c.After)):
		c.Kind, c.Meaning = Keep, nil
	case !same:
		c.Kind = Update
		c.Meaning = append(c.Meaning, fmt.Sprintf("belongs to %s, mode %04o", whose, mode.Perm()))
	}
}

// service returns the service manager of the installation, or "" if unknown.
func (in *Installed) service() string {
	if in == nil || in.Manifest == nil {
		return ""
	}
	return in.Manifest.Settings["service"]
}

// lists reports whether the manifest lists a file.
func (in *Installed) lists(path string) bool {
	return in.Manifest != nil && slices.ContainsFunc(in.Manifest.Files, func(row ManifestFileRow) bool { return row.at(in.Dir) == path })
}

// ServiceUser returns the user that systemd runs the server as, or "" if systemd does not run it.
func (in *Installed) ServiceUser() string {
	if in == nil || !in.Supervised() {
		return ""
	}
	return in.Manifest.Settings[settingRunAs]
}

// Supervised reports whether systemd runs the server of the installation.
func (in *Installed) Supervised() bool { return in.service() == Systemd && in.lists(UnitFile) }
