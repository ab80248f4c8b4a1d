package plan

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/templates"
	"packhouse/trust"
)

// MakeAccount creates the user that a plan needs, or uses an existing one unchanged, and sets its
// IDs in the plan.
func (p *Plan) MakeAccount() error {
	needed := slices.ContainsFunc(p.Changes, func(c Change) bool { return c.UID == machine.PendingID || c.GID == machine.PendingID })
	if !needed {
		return nil
	}
	a, err := machine.FindAccount(setup.OwnName)
	if err == nil && a.UID == machine.PendingID {
		//nolint:gosec // the arguments are constants
		add := exec.Command("useradd", "--system", "--user-group", "--no-create-home",
			"--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", setup.OwnName)
		out, failure := add.CombinedOutput()
		if failure != nil {
			return fmt.Errorf("make user %s: %w: %s", setup.OwnName, failure, out)
		}
		a, err = machine.FindAccount(setup.OwnName)
	}
	if err != nil {
		return fmt.Errorf("make user %s: %w", setup.OwnName, err)
	}
	theirs := map[string]machine.Account{} // by path in the manifest
	for i := range p.Changes {
		c := &p.Changes[i]
		if c.UID == machine.PendingID {
			c.UID = a.UID
		}
		if c.GID == machine.PendingID {
			c.GID = a.GID
		}
		theirs[installation.Rel(p.Dir, c.Path)] = machine.Account{UID: c.UID, GID: c.GID}
	}
	return p.ownersInManifest(theirs)
}

// ownersInManifest updates the owners of a plan's files in the manifest.
func (p *Plan) ownersInManifest(theirs map[string]machine.Account) error {
	c := p.Change(filepath.Join(p.Dir, installation.ManifestFile))
	if c == nil || c.After == nil {
		return nil
	}
	m := &installation.Manifest{}
	if err := json.Unmarshal(c.After, m); err != nil {
		return fmt.Errorf("read manifest: %w", err)
	}
	r := p.roots()
	m.Decode(r)
	for i := range m.Files {
		if a, ok := theirs[m.Files[i].Path]; ok && a.UID >= 0 {
			m.Files[i].UID, m.Files[i].GID = a.UID, a.GID
		}
	}
	var err error
	c.After, err = m.Encode(r)
	return err
}

// service plans the server's unit, and gives the user that runs the server ownership of the files
// it reads and writes.
func (b *builder) service() error {
	unit := b.options.UnitFile
	if unit == "" {
		unit = setup.UnitFile
	}
	if b.answers.Service != setup.Systemd {
		if b.installed.Service() == setup.Systemd {
			b.takeBack(unit)
		}
		return nil
	}
	if _, err := os.Lstat(unit); err == nil && !b.installed.Lists(unit) {
		return finding.NewError(setup.Refuse(setup.CodeService, unit+" is there already, and is not this installation's",
			trust.MoveAway(unit)+", or let systemd run the server by a unit of your own").About("service", "--service"))
	}
	a, err := machine.FindAccount(b.answers.RunAs)
	if err != nil {
		return err
	}
	program, err := machine.OwnProgram()
	if err != nil {
		return err
	}
	s := templates.Service{Name: setup.Unit, Program: program, Config: b.path(installation.ConfigFile), Dir: b.dir, User: a.Name, Group: a.Group}
	planned := b.plan.config() // Make validates the file and reports its errors
	s.Writable, s.LowPort = b.written(planned), lowPort(planned)
	owned := map[string]bool{b.path(installation.HtpasswdFile): true, b.path(installation.KeyFile): true, b.path(installation.OwnKeyFile): true}
	if b.answers.Storage == config.Filesystem && filepath.IsAbs(b.answers.StoragePath) {
		s.StoragePath = b.answers.StoragePath
		s.Writable = append(s.Writable, b.answers.StoragePath)
		record := filepath.Join(b.answers.StoragePath, installation.OwnerFile)
		owned[b.answers.StoragePath], owned[record], owned[filepath.Dir(record)] = true, true, true
	}
	if cache := b.path(question.ACMECache); b.answers.TLS == setup.LetsEncrypt && question.ACMECacheFile(b.installed, &b.answers) == cache {
		s.Writable = append(s.Writable, cache)
		if b.plan.Change(cache) == nil {
			b.directory(cache, 0o700)
		}
		owned[cache] = true
	}
	text, err := s.Render()
	if err != nil {
		return err
	}
	b.put(unit, 0o644, text, false, "systemd runs the server as "+a.Name)
	for i := range b.plan.Changes {
		c := &b.plan.Changes[i]
		switch {
		case c.Kind == setup.Remove:
		case owned[c.Path] && b.readByGroup(c, a.GID):
		case owned[c.Path]:
			b.give(c, a.Name, c.Mode, a.UID, a.GID)
		case c.Path == b.path("auth"), c.Path == b.path("certs"): // the server may traverse them, but cannot replace ca.key
			b.give(c, "root, for "+a.Name+" to pass", fs.ModeDir|0o750, 0, a.GID)
		case c.Path == b.path(installation.ConfigFile) && c.Mode.Perm()&0o004 == 0:
			b.give(c, "root, for "+a.Name+" to read", c.Mode|0o040, 0, a.GID)
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
	theirs := []string{b.path("auth"), b.path("certs"), b.path(installation.HtpasswdFile), b.path(installation.KeyFile), b.path(installation.OwnKeyFile), b.answers.StoragePath}
	if record := filepath.Join(b.answers.StoragePath, installation.OwnerFile); b.answers.StoreRoot() != "" {
		theirs = append(theirs, record, filepath.Dir(record))
	}
	for i := range b.plan.Changes {
		c := &b.plan.Changes[i]
		switch {
		case c.Kind == setup.Remove:
		case slices.Contains(theirs, c.Path):
			mode := c.Mode
			if mode.IsDir() && c.Path != b.answers.StoragePath {
				mode = fs.ModeDir | 0o700
			}
			b.give(c, "root", mode, 0, 0)
		case c.Path == b.path(installation.ConfigFile) && c.Mode.Perm()&0o044 == 0o040: // it was readable by the server's group
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
		if filepath.IsAbs(dir) && dir != b.path(question.ACMECache) && !slices.Contains(dirs, dir) {
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
	return !c.Mode.IsDir() && c.Kind != setup.Create && c.UID == 0 && c.GID == gid && c.Mode.Perm()&0o040 != 0
}

// give sets the owner and the mode of a change.
func (b *builder) give(c *Change, whose string, mode fs.FileMode, uid, gid int) {
	c.Mode, c.UID, c.GID = mode, uid, gid
	info, err := os.Stat(c.Path)
	if err != nil {
		return // it is created with these
	}
	haveUID, haveGID := machine.Owner(info)
	same := haveUID == uid && haveGID == gid && info.Mode().Perm() == mode.Perm()
	switch {
	case same && (mode.IsDir() || string(c.Before) == string(c.After)):
		c.Kind, c.Meaning = setup.Keep, nil
	case !same:
		c.Kind = setup.Update
		c.Meaning = append(c.Meaning, fmt.Sprintf("belongs to %s, mode %04o", whose, mode.Perm()))
	}
}
