package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
)

// Options are the options of [Apply].
type Options struct {
	// Progress is called before each operation: "create", "certs/tls.crt".
	Progress func(verb, path string)
	// Hook is called before each file system operation, for tests. If it returns an error, Apply
	// stops without cleaning up, as if killed.
	Hook func(operation string) error
	// Lock is held since before the installation was loaded. If it is nil or not held, Apply
	// acquires the lock without waiting.
	Lock *Lock
}

// Applied is the result of [Apply].
type Applied struct {
	Changed []string  // paths that were created, updated or removed
	Backup  string    // directory with the replaced files; empty: nothing changed
	At      time.Time // time of the change
}

// Apply applies a plan completely or not at all. It stages all files, and renames them once all are
// on disk; the next [Open] finishes an interrupted run. If a step fails, Apply rolls back and
// returns the error. It writes nothing if the plan has no pending changes.
func Apply(ctx context.Context, p *plan.Plan, options Options) (*Applied, error) {
	applied := &Applied{At: p.Now}
	if applied.At.IsZero() {
		applied.At = time.Now()
	}
	if !p.Pending() {
		return applied, nil
	}
	if err := p.MakeAccount(); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := installation.VerifyTrust(p.Dir); err != nil {
		return nil, err
	}
	w := &worker{
		Places: installation.Places{Users: p.ServerUsers()},
		unit:   p.Unit, dir: p.Dir, configs: p.Configs(), hook: options.Hook, progress: options.Progress,
	}
	made, err := w.makeBase()
	if err == nil && len(made) > 0 { // another user may have created it first in a sticky directory
		err = installation.VerifyTrust(p.Dir)
	}
	if err != nil {
		w.removeMade(made)
		return nil, fmt.Errorf("apply: %w", err)
	}
	err = options.Lock.hold(p.Dir, func() error {
		applied.Backup, err = w.run(
			ctx, p, &installation.Journal{State: committing, At: applied.At, Made: made, Users: w.Users},
		)
		if err != nil {
			return fmt.Errorf("apply: %w", installation.AsFinding(err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range p.Changes {
		if c.Kind != setup.Keep {
			applied.Changed = append(applied.Changed, c.Path)
		}
	}
	return applied, nil
}

func (w *worker) run(ctx context.Context, p *plan.Plan, j *installation.Journal) (backup string, err error) {
	if _, err := os.Lstat(w.work()); err == nil {
		return "", setup.Refusal(setup.CodeHalfDone, "an earlier change of "+w.dir+" was interrupted",
			"run "+installation.Completes(w.dir)+": it completes that change or rolls it back")
	}
	for { // a generation of the same second is removed when this run completes
		if _, err := os.Lstat(w.backup(j)); err != nil {
			break
		}
		j.At = j.At.Add(time.Second)
	}
	if err := w.stage(ctx, p, j); err != nil {
		if !errors.As(err, new(killedError)) {
			if left := w.unstage(); left != nil {
				err = errors.Join(err, left)
			}
			w.removeMade(j.Made)
		}
		return "", err
	}
	if err = w.commit(j); err == nil {
		err = w.verify(j)
	}
	if err == nil {
		backup, err = w.keepBackup(j)
	}
	switch {
	case err == nil:
		if err := w.finish(j, backup); errors.As(err, new(killedError)) {
			return "", err
		} // the next run removes the rest; it does not affect the installation
		return backup, nil
	case errors.As(err, new(killedError)):
		return "", err
	}
	j.State = undoing
	if failure := w.writeJournal(w.work(installation.JournalFile), j); failure != nil {
		return "", errors.Join(err, failure)
	}
	if failure := w.undo(j); failure != nil {
		return "", errors.Join(err, failure)
	}
	return "", fmt.Errorf("%w; everything is as it was before", err)
}

// makeBase creates the installation directory, and returns the directories that it created.
func (w *worker) makeBase() (made []string, err error) {
	for dir := w.dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		made = append([]string{dir}, made...)
	}
	for i, dir := range made {
		if err := w.op("mkdir", dir, func() error {
			err := w.Mkdir(dir, 0o755)
			if err != nil && !errors.Is(err, fs.ErrExist) { // another setup may create it first; the lock prevents a conflict
				return err
			}
			_ = w.Sync(filepath.Dir(dir)) // best effort: the parent may be writable but not readable
			return nil
		}); err != nil {
			return made[:i], err
		}
	}
	return made, nil
}

// stage does everything that can fail: it stages new content, copies old content for a rollback,
// and finally writes the journal.
func (w *worker) stage(ctx context.Context, p *plan.Plan, j *installation.Journal) error {
	for _, dir := range []string{w.work(), w.work(installation.NewDir), w.work(installation.OldDir)} {
		if err := w.op("mkdir", dir, func() error { return w.Mkdir(dir, 0o700) }); err != nil {
			return err
		}
	}
	if err := w.write(w.work(installation.PidFile), []byte(strconv.Itoa(os.Getpid())+"\n"), installation.OwnerOnly); err != nil {
		return err
	}
	if err := p.VerifyUnchanged(); err != nil {
		return err
	}
	changes, err := w.steps(p, j)
	if err != nil {
		return err
	}
	var outside []string
	r := w.roots()
	for _, s := range j.Steps {
		if s.Staged != "" && filepath.IsAbs(installation.Rel(w.dir, s.Staged)) {
			text, err := r.Encode(s.Planned())
			if err != nil {
				return err
			}
			outside = append(outside, text)
		}
	}
	if len(outside) > 0 { // recorded before any file is created, so that an interrupted run leaves none behind
		if err := w.writeJSON(w.work(installation.BesideFile), outside); err != nil {
			return err
		}
	}
	for i, s := range j.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.stageStep(s, changes[i]); err != nil {
			return fmt.Errorf("stage %s: %w", s.Path, err)
		}
	}
	if err := w.writeManaged(p); err != nil {
		return err
	}
	if err := w.writeJournal(w.work(installation.OldDir, installation.RecordFile), j); err != nil {
		return err
	}
	if err := w.Sync(w.work(installation.NewDir), w.work(installation.OldDir), w.work(), w.dir); err != nil {
		return err
	}
	return w.writeJournal(w.work(installation.JournalFile), j)
}

// steps adds the steps of a plan to the journal, and returns the change of each. Missing parent
// directories become steps too.
func (w *worker) steps(p *plan.Plan, j *installation.Journal) (changes []plan.Change, err error) {
	planned := map[string]bool{}
	for i, c := range p.Changes {
		if c.Kind == setup.Keep {
			continue
		}
		if c.Mode.IsDir() && c.Kind != setup.Remove {
			var way []string
			for dir := filepath.Dir(c.Path); !planned[dir]; dir = filepath.Dir(dir) {
				if _, err := os.Lstat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
					break
				}
				way = append(way, dir)
			}
			for _, dir := range slices.Backward(way) {
				planned[dir] = true
				c := plan.Change{
					Path: dir, Kind: setup.Create, Mode: fs.ModeDir | 0o755, UID: -1, GID: -1,
				} // must be traversable by all users
				changes = append(changes, c)
				j.Steps = append(
					j.Steps, installation.Step{Path: c.Path, Kind: c.Kind, Mode: c.Mode, UID: c.UID, GID: c.GID},
				)
			}
			planned[c.Path] = true
		}
		s, err := w.step(i, c)
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", c.Path, err)
		}
		j.Steps, changes = append(j.Steps, s), append(changes, c)
	}
	return changes, nil
}

// step returns the journal step for a change.
func (w *worker) step(i int, c plan.Change) (installation.Step, error) {
	s := installation.Step{
		Path: c.Path, Kind: c.Kind, Secret: c.Secret, Mode: c.Mode, UID: c.UID, GID: c.GID,
		Attributes: c.Attributes,
	}
	if err := s.Resolve(c.Path, w.Places); err != nil {
		return s, err
	}
	if s.Link != "" {
		if _, err := os.Lstat(s.Path); err != nil {
			return s, &fs.PathError{Op: "follow", Path: s.Link, Err: err}
		}
	}
	info, err := os.Stat(s.Path)
	if err == nil {
		s.Existed, s.OldMode = true, info.Mode()
		s.OldUID, s.OldGID = machine.Owner(info)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if c.Mode.IsDir() {
		return s, nil
	}
	if s.Existed {
		s.Old = w.work(installation.OldDir, strconv.Itoa(i))
		have, err := w.Load(s.Path)
		if err != nil {
			return s, err
		}
		s.OldAttributes = have.Attributes
	}
	if c.Kind != setup.Remove {
		s.Staged, s.Sum = w.work(installation.NewDir, strconv.Itoa(i)), installation.Sum(c.After)
		// A directory of the same plan does not exist yet.
		_, err := os.Stat(filepath.Dir(s.Path))
		if filepath.IsAbs(installation.Rel(w.dir, s.Path)) && err == nil { // possibly on another file system
			s.Staged = installation.Beside(s.Path)
		}
	}
	return s, nil
}

// stageStep stages the content of a step.
func (w *worker) stageStep(s installation.Step, c plan.Change) error {
	if c.Mode.IsDir() {
		return nil
	}
	if err := w.unchanged(s, c); err != nil {
		return err
	}
	if s.Old != "" {
		if err := w.write(s.Old, c.Before, installation.OwnerOnly); err != nil {
			return err
		}
	}
	if s.Staged == "" {
		return nil
	}
	return w.write(s.Staged, c.After, s.After())
}

// unchanged returns a refusal if a file changed after the plan was made.
func (w *worker) unchanged(s installation.Step, c plan.Change) error {
	if !s.Existed {
		if c.Before != nil {
			return installation.ChangedMeanwhile(c.Path)
		}
		return nil
	}
	data, err := w.Read(s.Path)
	if err != nil {
		return err
	}
	if c.Before == nil || !bytes.Equal(data, c.Before) {
		return installation.ChangedMeanwhile(c.Path)
	}
	return nil
}

// verifyOld returns a refusal if a file changed since the step was staged. It is called immediately
// before the step replaces or removes the file. A run that finishes an interrupted one accepts a
// missing file.
func (w *worker) verifyOld(s installation.Step) error {
	data, err := w.Read(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (!s.Existed || w.later || s.Kind == setup.Remove):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return installation.ChangedMeanwhile(s.Planned())
	case err != nil:
		return err
	case s.Sum != "" && installation.Sum(data) == s.Sum:
		return nil
	case !s.Existed:
		return installation.ChangedMeanwhile(s.Planned())
	}
	old, err := w.Read(s.Old)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, old) {
		return installation.ChangedMeanwhile(s.Planned())
	}
	return nil
}

// VerifyLast returns a *finding.Error if applied is not the latest change of the installation.
func VerifyLast(in *installation.Installed, applied *Applied) error {
	if applied != nil && applied.Backup != "" &&
		filepath.Base(applied.Backup) != in.Backup.UTC().Format(installation.BackupTime) {
		return installation.ChangedMeanwhile(in.Dir)
	}
	return nil
}
