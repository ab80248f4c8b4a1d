package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/trust"
)

// Make returns the changes that make the installation match the answers. It writes nothing. It
// returns a *finding.Error if that is impossible.
func Make(ctx context.Context, m *machine.Machine, in *installation.Installed, resolved answer.Resolved, options Options) (*Plan, error) {
	if in == nil {
		in = &installation.Installed{}
	}
	b := &builder{
		installed: at(in, resolved.Answers.Dir), answers: resolved.Answers.Clone(), options: options, dir: resolved.Answers.Dir, now: options.Now, random: options.Rand,
		plan: &Plan{Dir: resolved.Answers.Dir, Resolved: resolved},
	}
	if b.now.IsZero() {
		b.now = time.Now()
	}
	b.machine = m
	b.plan.Now, b.plan.Installed, b.plan.Unit = b.now, b.installed, options.UnitFile
	b.readings = in.Readings
	if b.readings == nil {
		b.readings = &installation.Readings{}
	}
	if err := b.build(ctx); err != nil {
		return nil, fmt.Errorf("make plan: %w", installation.AsFinding(err))
	}
	return b.plan, nil
}

// builder collects the changes of a plan.
type builder struct {
	machine   *machine.Machine // nil: unknown
	installed *installation.Installed
	answers   question.Answers
	options   Options
	dir       string
	now       time.Time
	random    io.Reader
	plan      *Plan
	config    *config.Loaded         // the planned one
	readings  *installation.Readings // files that the plan is based on, each read once
	err       error                  // first error of file and directory
}

func (b *builder) build(ctx context.Context) error {
	b.directory(b.dir, 0o755)
	b.directory(b.path("auth"), 0o700)
	if question.Made(&b.answers) || b.keepsOwnFiles() {
		b.directory(b.path("certs"), 0o700)
	}
	if b.answers.Storage == config.Filesystem && filepath.IsAbs(b.answers.StoragePath) { // the server resolves a relative path
		b.directory(b.answers.StoragePath, 0o750, "content is kept here")
	}
	b.storeOwner()
	data, restart, err := configFile(b.installed, &b.answers)
	if err != nil {
		return err
	}
	b.plan.Restart = restart
	if err := b.verifyConfig(data); err != nil {
		return err
	}
	b.configuration(data)
	leaf, trust, err := b.certificates()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := b.users(); err != nil {
		return err
	}
	b.rules()
	card, err := b.handoff(leaf, trust)
	if err != nil {
		return err
	}
	b.file(installation.HandoffFile, card, "what clients need to connect")
	if err := b.service(); err != nil {
		return err
	}
	b.answersFile()
	if err := b.manifest(); err != nil {
		return err
	}
	return b.err
}

// answersFile plans answers.yml. The file also lists detected values, such as interfaces, which
// change; that alone does not justify a write.
func (b *builder) answersFile() {
	const meaning = "the answers, for the next machine; without secrets, read only if myconfig.yml is lost"
	if _, err := os.Stat(b.path(installation.AnswersFile)); err == nil && !b.plan.Pending() {
		b.keep(installation.AnswersFile, meaning)
		return
	}
	b.file(installation.AnswersFile, b.plan.Resolved.AnswersYAML(), meaning)
}

func (b *builder) configMeaning(after []byte) string {
	switch {
	case b.installed.ConfigData == nil:
		return "the configuration of the server"
	case bytes.Equal(b.installed.ConfigData, after):
		return "the configuration stays as it is"
	case b.installed.Config == nil:
		return "the server would refuse it as it is: it is written again, and manual edits are kept in the backup only"
	}
	return "single lines change; the rest stays as it is, to the byte"
}

// verifyConfig loads the planned configuration as the server does, so that setup never writes one
// that the server would refuse.
func (b *builder) verifyConfig(data []byte) error {
	loaded, err := config.Load(config.Source{Path: b.path(installation.ConfigFile), Data: data})
	b.config = loaded
	var problems config.Findings
	if !errors.As(err, &problems) {
		return err
	}
	refusal := &finding.Error{}
	for _, p := range problems {
		refusal.Findings = append(refusal.Findings, setup.Refuse(p.Code, p.Where()+": "+p.What, p.Remedy))
	}
	return refusal
}

// at returns the installation as the plan for dir sees it.
func at(in *installation.Installed, dir string) *installation.Installed {
	if in.Dir == dir {
		return in
	}
	if in.Dir != "" {
		return &installation.Installed{Dir: dir}
	}
	moved := *in
	moved.Dir = dir
	return &moved
}

// places returns the places for the server's users before and after the plan.
func (b *builder) places() installation.Places {
	return installation.Places{Users: b.plan.ServerUsers()}
}

// read returns the content of a file as first read. It reads each file once.
func (b *builder) read(path string) ([]byte, error) {
	c, err := b.readings.Read(b.places(), path)
	return c.Data, err
}

func (b *builder) path(name string) string { return filepath.Join(b.dir, name) }

// directory plans a missing directory. An existing one keeps its owner, group and mode, except that
// a directory with keys must not be accessible to users outside of its group or writable by the
// group.
func (b *builder) directory(path string, mode fs.FileMode, meaning ...string) {
	c := Change{Path: path, Kind: setup.Create, Mode: mode | fs.ModeDir, UID: -1, GID: -1, Meaning: meaning}
	switch info, err := os.Stat(path); {
	case err == nil && !info.IsDir(), err != nil && trust.Obstacle(path) != "":
		b.fail(&fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR})
	case err == nil:
		c.Kind, c.Mode = setup.Keep, info.Mode().Perm()|fs.ModeDir
		c.UID, c.GID = machine.Owner(info)
		if mode == 0o700 && info.Mode().Perm()&0o027 != 0 {
			c.Kind, c.Mode = setup.Update, mode|fs.ModeDir
			c.Meaning = append(c.Meaning, fmt.Sprintf("mode %04o, was %04o", mode, info.Mode().Perm()))
		}
	}
	b.plan.Changes = append(b.plan.Changes, c)
}

// file plans a file without secrets.
func (b *builder) file(name string, after []byte, meaning ...string) {
	b.put(b.path(name), 0o644, after, false, meaning...)
}

// secret plans a file whose content is never shown.
func (b *builder) secret(name string, after []byte, meaning ...string) {
	b.put(b.path(name), 0o600, after, true, meaning...)
}

// keep lists a file that the plan does not change.
func (b *builder) keep(name string, meaning ...string) {
	if data, err := b.read(b.path(name)); err == nil {
		b.put(b.path(name), 0o644, data, false, meaning...)
	}
}

// keepSecret lists a secret file that the plan does not change, except for a mode that lets other
// users read it.
func (b *builder) keepSecret(name string) {
	if data, err := b.read(b.path(name)); err == nil {
		b.put(b.path(name), 0o600, data, true)
	}
}

// put plans the content of a file: create, update, or keep if content and mode match. A file keeps
// its owner, group, mode and extended attributes. Only a secret that users outside of its group can
// read, or that its group can write, gets a new mode.
func (b *builder) put(path string, mode fs.FileMode, after []byte, secret bool, meaning ...string) {
	c := Change{Path: path, Kind: setup.Create, Mode: mode, UID: -1, GID: -1, After: after, Secret: secret, Meaning: meaning}
	seen, err := b.readings.Read(b.places(), path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		b.fail(err)
	default:
		c.Before = seen.Data
		c.UID, c.GID = machine.Owner(seen.Info)
		have := seen.Info.Mode().Perm()
		if !secret || have&0o037 == 0 && have&0o400 != 0 {
			c.Mode = have
		}
		c.Attributes = seen.Attributes
		switch {
		case !bytes.Equal(c.Before, after):
			c.Kind = setup.Update
		case have != c.Mode:
			c.Kind = setup.Update
			c.Meaning = append(c.Meaning, fmt.Sprintf("mode %04o, was %04o", c.Mode, have))
		default:
			c.Kind = setup.Keep
		}
	}
	if c.Kind == setup.Update {
		for _, name := range seen.Dropped {
			c.Meaning = append(c.Meaning, "extended attribute "+name+" is not kept: it belongs to the old content")
		}
	}
	b.plan.Changes = append(b.plan.Changes, c)
}

// remove plans to remove a file.
func (b *builder) remove(path string, secret bool, meaning ...string) {
	before, err := b.read(path)
	if err != nil {
		b.fail(err)
		return
	}
	b.plan.Changes = append(b.plan.Changes, Change{Path: path, Kind: setup.Remove, UID: -1, GID: -1, Before: before, Secret: secret, Meaning: meaning})
}

func (b *builder) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// manifest plans .installed.json, which lists every file that setup manages.
func (b *builder) manifest() error {
	m := &installation.Manifest{Version: installation.ManifestVersion, ID: installation.InstallationID(b.installed.Manifest, b.dir), Settings: map[string]string{"hostname": machine.Canonical(b.answers.Hostname), "tls": string(b.answers.TLS)}}
	if b.answers.Service == setup.Systemd {
		m.Settings["service"], m.Settings[installation.SettingRunAs] = setup.Systemd, b.answers.RunAs
	}
	if b.answers.PublicURL != "" {
		m.Settings["public-url"] = b.answers.PublicURL
	}
	if len(b.answers.CAPermit) > 0 && b.answers.TLS == setup.PrivateCA {
		m.Settings[question.SettingCAPermit] = strings.Join(b.answers.CAPermit, ",")
	}
	if had := b.ownAddresses(); had != "" {
		m.Settings[installation.SettingAddresses] = had
	}
	for _, c := range b.plan.Changes {
		if c.Mode.IsDir() || c.Kind == setup.Remove {
			continue
		}
		row := installation.ManifestFileRow{Path: installation.Rel(b.dir, c.Path), SHA256: installation.Sum(c.After), Mode: installation.Octal(c.Mode.Perm()), UID: c.UID, GID: c.GID}
		if row.Path == installation.PasswordsFile {
			continue
		}
		if row.UID < 0 {
			row.UID, row.GID = os.Geteuid(), os.Getegid()
		}
		m.Files = append(m.Files, row)
	}
	if old := b.installed.Manifest; old != nil { // files that setup wrote for earlier answers and that still exist
		after := b.plan.rootsAfter()
		for _, row := range old.Files {
			if b.plan.Change(row.At(b.dir)) != nil || row.Path == installation.PasswordsFile {
				continue
			}
			if _, err := after.Encode(row.At(b.dir)); err != nil {
				continue // in a store that the installation no longer uses
			}
			if _, err := os.Lstat(row.At(b.dir)); err == nil {
				m.Files = append(m.Files, row)
			}
		}
	}
	// Listed even if it does not exist, and without a checksum: setup may write it late, entries
	// are removed as passwords are handed out, and deleting it is not drift.
	m.Files = append(m.Files, installation.ManifestFileRow{Path: installation.PasswordsFile, Mode: 0o600, UID: os.Geteuid(), GID: os.Getegid()})
	data, err := m.Encode(b.plan.roots())
	if err != nil {
		return err
	}
	b.file(installation.ManifestFile, data, "what setup wrote, so that changes are seen")
	return nil
}
