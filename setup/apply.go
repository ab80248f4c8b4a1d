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
	"strconv"
	"time"

	"packhouse/finding"
)

// ApplyOptions are the options of [Apply].
type ApplyOptions struct {
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
func Apply(ctx context.Context, p *Plan, options ApplyOptions) (*Applied, error) {
	applied := &Applied{At: p.now}
	if applied.At.IsZero() {
		applied.At = time.Now()
	}
	if !p.Pending() {
		return applied, nil
	}
	if err := p.makeAccount(); err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	if err := VerifyTrust(p.Dir); err != nil {
		return nil, err
	}
	w := &worker{
		places: places{users: p.serverUsers()}, unit: p.unit, dir: p.Dir, configs: p.configs(), hook: options.Hook, progress: options.Progress,
	}
	made, err := w.makeBase()
	if err == nil && len(made) > 0 { // another user may have created it first in a sticky directory
		err = VerifyTrust(p.Dir)
	}
	if err != nil {
		w.removeMade(made)
		return nil, fmt.Errorf("apply: %w", err)
	}
	err = options.Lock.hold(p.Dir, func() error {
		applied.Backup, err = w.run(ctx, p, &journal{State: committing, At: applied.At, Made: made, Users: w.users})
		if err != nil {
			return fmt.Errorf("apply: %w", refuseUnsafe(err))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, c := range p.Changes {
		if c.Kind != Keep {
			applied.Changed = append(applied.Changed, c.Path)
		}
	}
	return applied, nil
}

func (w *worker) run(ctx context.Context, p *Plan, j *journal) (backup string, err error) {
	if _, err := os.Lstat(w.work()); err == nil {
		return "", finding.NewError(refused(CodeHalfDone, "an earlier change of "+w.dir+" was interrupted", "run setup again: it finishes or undoes that first"))
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
	if failure := w.writeJournal(w.work(journalFile), j); failure != nil {
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
			err := w.mkdir(dir, 0o755)
			if err != nil && !errors.Is(err, fs.ErrExist) { // another setup may create it first; the lock prevents a conflict
				return err
			}
			_ = w.sync(filepath.Dir(dir)) // best effort: the parent may be writable but not readable
			return nil
		}); err != nil {
			return made[:i], err
		}
	}
	return made, nil
}

// stage does everything that can fail: it stages new content, copies old content for a rollback,
// and finally writes the journal.
func (w *worker) stage(ctx context.Context, p *Plan, j *journal) error {
	for _, dir := range []string{w.work(), w.work(newDir), w.work(oldDir)} {
		if err := w.op("mkdir", dir, func() error { return w.mkdir(dir, 0o700) }); err != nil {
			return err
		}
	}
	if err := w.write(w.work(pidFile), []byte(strconv.Itoa(os.Getpid())+"\n"), ownerOnly); err != nil {
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
		if s.Staged != "" && filepath.IsAbs(rel(w.dir, s.Staged)) {
			text, err := r.encode(s.planned())
			if err != nil {
				return err
			}
			outside = append(outside, text)
		}
	}
	if len(outside) > 0 { // recorded before any file is created, so that an interrupted run leaves none behind
		if err := w.writeJSON(w.work(besideFile), outside); err != nil {
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
	if err := w.writeJournal(w.work(oldDir, recordFile), j); err != nil {
		return err
	}
	if err := w.sync(w.work(newDir), w.work(oldDir), w.work(), w.dir); err != nil {
		return err
	}
	return w.writeJournal(w.work(journalFile), j)
}

// steps adds the steps of a plan to the journal, and returns the change of each. Missing parent
// directories become steps too.
func (w *worker) steps(p *Plan, j *journal) (changes []Change, err error) {
	planned := map[string]bool{}
	for i, c := range p.Changes {
		if c.Kind == Keep {
			continue
		}
		if c.Mode.IsDir() && c.Kind != Remove {
			var way []string
			for dir := filepath.Dir(c.Path); !planned[dir]; dir = filepath.Dir(dir) {
				if _, err := os.Lstat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
					break
				}
				way = append(way, dir)
			}
			for _, dir := range slices.Backward(way) {
				planned[dir] = true
				c := Change{Path: dir, Kind: Create, Mode: fs.ModeDir | 0o755, UID: -1, GID: -1} // must be traversable by all users
				changes = append(changes, c)
				j.Steps = append(j.Steps, step{Path: c.Path, Kind: c.Kind, Mode: c.Mode, UID: c.UID, GID: c.GID})
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
func (w *worker) step(i int, c Change) (step, error) {
	s := step{Path: c.Path, Kind: c.Kind, Secret: c.Secret, Mode: c.Mode, UID: c.UID, GID: c.GID, Attributes: c.attributes}
	if err := s.resolve(c.Path, w.places); err != nil {
		return s, err
	}
	if s.link != "" {
		if _, err := os.Lstat(s.Path); err != nil {
			return s, err
		}
	}
	info, err := os.Stat(s.Path)
	if err == nil {
		s.Existed, s.OldMode = true, info.Mode()
		s.OldUID, s.OldGID = owner(info)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if c.Mode.IsDir() {
		return s, nil
	}
	if s.Existed {
		s.Old = w.work(oldDir, strconv.Itoa(i))
		have, err := w.load(s.Path)
		if err != nil {
			return s, err
		}
		s.OldAttributes = have.attributes
	}
	if c.Kind != Remove {
		s.Staged, s.Sum = w.work(newDir, strconv.Itoa(i)), sum(c.After)
		_, err := os.Stat(filepath.Dir(s.Path))               // a directory of the same plan does not exist yet
		if filepath.IsAbs(rel(w.dir, s.Path)) && err == nil { // possibly on another file system
			s.Staged = beside(s.Path)
		}
	}
	return s, nil
}

// stageStep stages the content of a step.
func (w *worker) stageStep(s step, c Change) error {
	if c.Mode.IsDir() {
		return nil
	}
	if err := w.unchanged(s, c); err != nil {
		return err
	}
	if s.Old != "" {
		if err := w.write(s.Old, c.Before, ownerOnly); err != nil {
			return err
		}
	}
	if s.Staged == "" {
		return nil
	}
	return w.write(s.Staged, c.After, s.after())
}

// unchanged returns a refusal if a file changed after the plan was made.
func (w *worker) unchanged(s step, c Change) error {
	if !s.Existed {
		if c.Before != nil {
			return changedMeanwhile(c.Path)
		}
		return nil
	}
	data, err := w.read(s.Path)
	if err != nil {
		return err
	}
	if c.Before == nil || !bytes.Equal(data, c.Before) {
		return changedMeanwhile(c.Path)
	}
	return nil
}

// verifyOld returns a refusal if a file changed since the step was staged. It is called immediately
// before the step replaces or removes the file. A run that finishes an interrupted one accepts a
// missing file.
func (w *worker) verifyOld(s step) error {
	data, err := w.read(s.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && (!s.Existed || w.later || s.Kind == Remove):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return changedMeanwhile(s.planned())
	case err != nil:
		return err
	case s.Sum != "" && sum(data) == s.Sum:
		return nil
	case !s.Existed:
		return changedMeanwhile(s.planned())
	}
	old, err := w.read(s.Old)
	if err != nil {
		return err
	}
	if !bytes.Equal(data, old) {
		return changedMeanwhile(s.planned())
	}
	return nil
}
