package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"packhouse/certgen"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// Rollback plans to restore the files from before the last setup. When it is applied, the
// replaced files become the new backup, so that a rollback can be rolled back.
func Rollback(ctx context.Context, in *installation.Installed) (*Plan, error) {
	backups := filepath.Join(in.Dir, installation.BackupDir)
	if _, err := os.ReadDir(backups); errors.Is(err, os.ErrPermission) {
		return nil, setup.Refusal(setup.CodeUnread, "this user may not read the backup in "+backups,
			"run it as the user who owns the installation, or as root")
	}
	names := installation.Backups(in.Dir)
	if len(names) == 0 {
		return nil, setup.Refusal(setup.CodeNoBackup, "there is nothing to go back to in "+in.Dir,
			"a backup is kept by the next setup that changes something")
	}
	from := filepath.Join(backups, names[len(names)-1])
	record, err := installation.ReadJournal(installation.RootsOf(in.Dir).WithUnit(in.Unit), filepath.Join(from, installation.RecordFile))
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", installation.AsFindingFor(err, "packhouse rollback --yes"))
	}
	b := restoring(in)
	for _, s := range slices.Backward(record.Steps) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := b.restore(s, from); err != nil {
			return nil, fmt.Errorf("read backup: %w", installation.AsFindingFor(err, "packhouse rollback --yes"))
		}
	}
	if b.err != nil {
		return nil, fmt.Errorf("read backup: %w", installation.AsFindingFor(b.err, "packhouse rollback --yes"))
	}
	if c := b.plan.Change(installation.ConfigFile); c != nil && c.Kind != setup.Remove {
		for _, p := range problemsOf(c.Path, c.After) { // edited by hand before it was repaired
			b.plan.Findings = append(b.plan.Findings, setup.Warn(p.Code, fmt.Sprintf("the server would refuse this %s: line %d, %s", installation.ConfigFile, p.Line, p.What), ""))
		}
	}
	return b.plan, nil
}

// restoring returns a builder for a plan that does not depend on answers.
func restoring(in *installation.Installed) *builder {
	now := time.Now()
	return &builder{
		installed: in, readings: in.Readings, dir: in.Dir, now: now,
		plan: &Plan{Dir: in.Dir, Installed: in, Unit: in.Unit, Now: now},
	}
}

// removeIfEmpty plans to remove a directory, which stays if other files are in it.
func (b *builder) removeIfEmpty(path string, mode fs.FileMode) {
	b.plan.Changes = append(b.plan.Changes,
		Change{Path: path, Kind: setup.Remove, Mode: mode, UID: -1, GID: -1, Meaning: []string{"removed if empty"}})
}

// restore plans to reverse one step.
func (b *builder) restore(s installation.Step, from string) error {
	if s.Mode.IsDir() {
		switch {
		case !s.Existed:
			b.removeIfEmpty(s.Path, s.Mode)
		case s.Kind == setup.Remove:
			b.directory(s.Path, s.OldMode.Perm())
		default:
			b.directory(s.Path, s.OldMode.Perm())
			b.asItWas(s)
		}
		return nil
	}
	if planted := installation.PlantedRecord(s.Path); planted != nil {
		f := setup.Warn(installation.CodeUnsafe, planted.Error()+", so the rollback leaves it", planted.Fix)
		b.plan.Findings = append(b.plan.Findings, f)
		return nil
	}
	if !s.Existed {
		if _, err := os.Lstat(s.Path); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		b.remove(s.Path, s.Secret, "was not there before")
		return nil
	}
	if installation.Rel(b.dir, s.Path) == installation.PasswordsFile {
		return nil // has no backup
	}
	old, err := b.places().Read(filepath.Join(from, filepath.Base(s.Old)))
	if err != nil {
		return err
	}
	meaning := []string{"as it was before the last setup"}
	if slices.ContainsFunc(b.installed.Drift, func(d installation.Drift) bool { return d.Path == installation.Rel(b.dir, s.Path) }) {
		meaning = append(meaning, "was changed by hand since; that version is kept in the backup")
	}
	b.put(s.Path, s.OldMode.Perm(), old, s.Secret, meaning...)
	b.asItWas(s)
	switch c := &b.plan.Changes[len(b.plan.Changes)-1]; {
	case c.Kind == setup.Keep:
	case s.Path == b.installed.HtpasswdPath():
		c.Meaning = append(c.Meaning, installation.UsersBack(c.Before, old)...)
	case installation.Rel(b.dir, s.Path) == installation.CertFile:
		c.Meaning = append(c.Meaning, certificateBack(c.Before, old)...)
	}
	return nil
}

// certificateBack describes how a rollback changes the certificate that clients see.
func certificateBack(today, then []byte) []string {
	was, err := certgen.ParseChain(then)
	if err != nil {
		return nil
	}
	info := certgen.Inspect(was[0])
	meaning := []string{identity(info)}
	if now, err := certgen.ParseChain(today); err == nil {
		meaning = append(meaning, newNames(info, certgen.Inspect(now[0]))...)
	}
	return meaning
}

// asItWas sets the mode and owner of the last planned change to those before a step.
func (b *builder) asItWas(s installation.Step) {
	c := &b.plan.Changes[len(b.plan.Changes)-1]
	c.Mode, c.UID, c.GID = s.OldMode, s.OldUID, s.OldGID
	if s.OldAttributes != nil {
		c.Attributes = s.OldAttributes
	}
	if info, err := os.Stat(s.Path); err == nil && c.Kind == setup.Keep && (!installation.Owned(info, c.UID, c.GID) || info.Mode().Perm() != c.Mode.Perm()) {
		c.Kind = setup.Update
	}
}

// ManagedIn returns the content of a managed file as the change of a backup left it, or nil.
func ManagedIn(in *installation.Installed, generation, path string) []byte {
	data, err := in.Places().Read(filepath.Join(in.Dir, installation.BackupDir, generation, installation.FilesFile))
	if err != nil {
		return nil
	}
	var files []installation.ManagedFile
	if json.Unmarshal(data, &files) != nil {
		return nil
	}
	r := installation.RootsOf(in.Dir).WithUnit(in.Unit)
	for _, f := range files {
		if decoded, err := r.Decode(f.Path, false); err == nil && decoded == path {
			return f.Content
		}
	}
	return nil
}

// goodCopy is a version of myconfig.yml that the server accepts, with its description.
type goodCopy struct {
	data []byte
	what string
}
