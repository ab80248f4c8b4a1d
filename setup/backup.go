package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
)

// backupTime is the time format of backup names.
const backupTime = "20060102T150405Z"

func isBackup(name string) bool {
	_, err := time.Parse(backupTime, name)
	return err == nil
}

// backups returns the names of all backups, oldest first.
func backups(dir string) []string {
	entries, err := os.ReadDir(filepath.Join(dir, BackupDir))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && isBackup(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names
}

// lastBackup returns the time of the backup that a rollback would restore, or zero without one.
func lastBackup(dir string) time.Time {
	names := backups(dir)
	if len(names) == 0 {
		return time.Time{}
	}
	at, _ := time.Parse(backupTime, names[len(names)-1])
	return at
}

// nothingBefore reports whether a rollback removes the installation, because the last setup was the
// first one.
func nothingBefore(dir string) bool {
	names := backups(dir)
	if len(names) == 0 {
		return false
	}
	record, err := readJournal(rootsOf(dir), filepath.Join(dir, BackupDir, names[len(names)-1], recordFile))
	return err == nil && slices.ContainsFunc(record.Steps, func(s step) bool { return s.Path == filepath.Join(dir, ConfigFile) && !s.Existed })
}

// PlanRollback plans to restore the files from before the last setup. When it is applied, the
// replaced files become the new backup, so that a rollback can be rolled back.
func PlanRollback(ctx context.Context, in *Installed) (*Plan, error) {
	if _, err := os.ReadDir(filepath.Join(in.Dir, BackupDir)); errors.Is(err, os.ErrPermission) {
		return nil, finding.NewError(refused(CodeUnread, "this user may not read the backup in "+filepath.Join(in.Dir, BackupDir), "run it as the user who owns the installation, or as root"))
	}
	names := backups(in.Dir)
	if len(names) == 0 {
		return nil, finding.NewError(refused(CodeNoBackup, "there is nothing to go back to in "+in.Dir, "a backup is kept by the next setup that changes something"))
	}
	from := filepath.Join(in.Dir, BackupDir, names[len(names)-1])
	record, err := readJournal(rootsOf(in.Dir).withUnit(in.unit), filepath.Join(from, recordFile))
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", refuseUnsafe(err))
	}
	b := &builder{installed: in, readings: in.readings, dir: in.Dir, now: time.Now(), plan: &Plan{Dir: in.Dir, installed: in, unit: in.unit}}
	b.plan.now = b.now
	for _, s := range slices.Backward(record.Steps) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := b.restore(s, from); err != nil {
			return nil, fmt.Errorf("read backup: %w", err)
		}
	}
	if b.err != nil {
		return nil, fmt.Errorf("read backup: %w", b.err)
	}
	if c := b.plan.change(ConfigFile); c != nil && c.Kind != Remove {
		for _, p := range problemsOf(c.Path, c.After) { // edited by hand before it was repaired
			b.plan.Findings = append(b.plan.Findings, warned(p.Code, fmt.Sprintf("the server would not start on that %s: line %d, %s", ConfigFile, p.Line, p.What), ""))
		}
	}
	return b.plan, nil
}

// removeIfEmpty plans to remove a directory, which stays if other files are in it.
func (b *builder) removeIfEmpty(path string, mode fs.FileMode) {
	b.plan.Changes = append(b.plan.Changes, Change{
		Path: path, Kind: Remove, Mode: mode, UID: -1, GID: -1, Meaning: []string{"removed if empty"},
	})
}

// restore plans to reverse one step.
func (b *builder) restore(s step, from string) error {
	if s.Mode.IsDir() {
		switch {
		case !s.Existed:
			b.removeIfEmpty(s.Path, s.Mode)
		case s.Kind == Remove:
			b.directory(s.Path, s.OldMode.Perm())
		default:
			b.directory(s.Path, s.OldMode.Perm())
			b.asItWas(s)
		}
		return nil
	}
	if planted := plantedRecord(s.Path); planted != nil {
		f := warned(CodeUnsafe, planted.Error()+", so the rollback leaves it", planted.Fix)
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
	if rel(b.dir, s.Path) == PasswordsFile {
		return nil // has no backup
	}
	old, err := b.places().read(filepath.Join(from, filepath.Base(s.Old)))
	if err != nil {
		return err
	}
	meaning := []string{"as it was before the last setup"}
	if slices.ContainsFunc(b.installed.Drift, func(d Drift) bool { return d.Path == rel(b.dir, s.Path) }) {
		meaning = append(meaning, "was changed by hand since; that version is kept in the backup")
	}
	b.put(s.Path, s.OldMode.Perm(), old, s.Secret, meaning...)
	b.asItWas(s)
	switch c := &b.plan.Changes[len(b.plan.Changes)-1]; {
	case c.Kind == Keep:
	case s.Path == b.installed.htpasswdPath():
		c.Meaning = append(c.Meaning, usersBack(c.Before, old)...)
	case rel(b.dir, s.Path) == CertFile:
		c.Meaning = append(c.Meaning, certificateBack(c.Before, old)...)
	}
	return nil
}

// usersBack describes how a rollback changes the users.
func usersBack(today, then []byte) []string {
	now, _ := htpasswd.Parse(today) // invalid lines are reported elsewhere
	was, _ := htpasswd.Parse(then)
	var meaning []string
	for _, name := range now.Users() {
		hash, _ := now.Lookup(name)
		switch old, ok := was.Lookup(name); {
		case !ok:
			meaning = append(meaning, "user "+name+" goes")
		case !bytes.Equal(hash, old):
			meaning = append(meaning, "user "+name+": the previous password")
		}
	}
	for _, name := range was.Users() {
		if _, ok := now.Lookup(name); !ok {
			meaning = append(meaning, "user "+name+" comes back")
		}
	}
	return meaning
}

// certificateBack describes how a rollback changes the certificate that clients see.
func certificateBack(today, then []byte) []string {
	was, err := certgen.ParseChain(then)
	if err != nil {
		return nil
	}
	info := certgen.Inspect(was[0])
	meaning := []string{fmt.Sprintf("certificate for %s; until %s; fingerprint %s", strings.Join(info.Names.Strings(), ", "), day(info.NotAfter), info.Fingerprint)}
	if now, err := certgen.ParseChain(today); err == nil {
		meaning = append(meaning, newNames(info, certgen.Inspect(now[0]))...)
	}
	return meaning
}

// asItWas sets the mode and owner of the last planned change to those before a step.
func (b *builder) asItWas(s step) {
	c := &b.plan.Changes[len(b.plan.Changes)-1]
	c.Mode, c.UID, c.GID = s.OldMode, s.OldUID, s.OldGID
	if s.OldAttributes != nil {
		c.attributes = s.OldAttributes
	}
	if info, err := os.Stat(s.Path); err == nil && c.Kind == Keep && (!owned(info, c.UID, c.GID) || info.Mode().Perm() != c.Mode.Perm()) {
		c.Kind = Update
	}
}
