package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ApplyOptions of [Apply].
type ApplyOptions struct {
	// Progress is told what happens, before it happens: "create", "certs/tls.crt".
	Progress func(verb, path string)
	// Hook is called before each operation on the file system, for tests. When it returns an error, Apply ends at once as if it had been
	// killed there, without tidying up.
	Hook func(operation string) error
}

// Applied is what [Apply] did.
type Applied struct {
	Changed []string  // paths that were created, updated or removed
	Backup  string    // directory with what was replaced; empty: nothing changed
	At      time.Time // when
}

// Apply makes a plan true: all of it, or nothing. The files are staged first and renamed when all of them are on the disk; a run that is
// killed in between is finished by the next [Load]. A failure undoes what was done, and is returned. Nothing is written where the plan has
// nothing pending.
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
	w := &worker{dir: p.Dir, hook: options.Hook, progress: options.Progress}
	made, err := w.makeBase()
	if err != nil {
		w.removeMade(made)
		return nil, fmt.Errorf("apply: %w", err)
	}
	unlock, err := lock(p.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	backup, err := w.run(ctx, p, &journal{Version: 1, State: committing, At: applied.At, Made: made})
	if err != nil {
		return nil, fmt.Errorf("apply: %w", err)
	}
	for _, c := range p.Changes {
		if c.Kind != Keep {
			applied.Changed = append(applied.Changed, c.Path)
		}
	}
	applied.Backup = backup
	return applied, nil
}

func (w *worker) run(ctx context.Context, p *Plan, j *journal) (backup string, err error) {
	if _, err := os.Lstat(w.work()); err == nil {
		return "", &RefusedError{Findings: []Finding{refused(CodeHalfDone, "an earlier setup of "+w.dir+" was cut off", "run setup again: it finishes or undoes that first")}}
	}
	if err := w.stage(ctx, p, j); err != nil {
		if !errors.As(err, new(killedError)) {
			for _, s := range j.Steps {
				_ = os.Remove(s.Staged)
			}
			_ = os.RemoveAll(w.work())
			w.removeMade(j.Made)
		}
		return "", err
	}
	if err = w.commit(j); err == nil {
		err = w.verify(j)
	}
	if err == nil {
		return w.finish(j)
	}
	if errors.As(err, new(killedError)) {
		return "", err
	}
	j.State = undoing
	if failure := w.writeJSON(w.work(journalFile), j); failure != nil {
		return "", errors.Join(err, failure)
	}
	if failure := w.undo(j); failure != nil {
		return "", errors.Join(err, failure)
	}
	return "", fmt.Errorf("%w; everything is as it was before", err)
}

// makeBase makes the installation's directory, and returns the directories that were not there.
func (w *worker) makeBase() (made []string, err error) {
	for dir := w.dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			break
		}
		made = append([]string{dir}, made...)
	}
	for i, dir := range made {
		if err := w.op("mkdir", dir, func() error {
			err := os.Mkdir(dir, 0o755)                     //nolint:gosec // certificates in it are for everybody; keys have directories of their own
			if err != nil && !errors.Is(err, fs.ErrExist) { // a second setup may be quicker; the lock tells them apart
				return err
			}
			_ = syncDirs(filepath.Dir(dir)) // who may not read the parent may still make a directory in it
			return nil
		}); err != nil {
			return made[:i], err
		}
	}
	return made, nil
}

// stage prepares everything that can fail: new content beside its place, old content for going back, and, as the last thing, the journal.
func (w *worker) stage(ctx context.Context, p *Plan, j *journal) error {
	for _, dir := range []string{w.work(), w.work(newDir), w.work(oldDir)} {
		if err := w.op("mkdir", dir, func() error { return os.Mkdir(dir, 0o700) }); err != nil {
			return err
		}
	}
	if err := w.write(w.work(pidFile), []byte(strconv.Itoa(os.Getpid())+"\n"), 0o600, -1, -1); err != nil {
		return err
	}
	for i, c := range p.Changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.Kind == Keep {
			continue
		}
		s, err := w.stageChange(i, c)
		if err != nil {
			return fmt.Errorf("stage %s: %w", c.Path, err)
		}
		j.Steps = append(j.Steps, s)
	}
	if err := w.writeJSON(w.work(oldDir, recordFile), j); err != nil {
		return err
	}
	if err := syncDirs(w.work(newDir), w.work(oldDir), w.work(), w.dir); err != nil {
		return err
	}
	return w.writeJSON(w.work(journalFile), j)
}

func (w *worker) stageChange(i int, c Change) (step, error) {
	s := step{Path: c.Path, Kind: c.Kind, Secret: c.Secret, Mode: c.Mode, UID: c.UID, GID: c.GID}
	if link, err := os.Lstat(c.Path); err == nil && link.Mode()&fs.ModeSymlink != 0 { // stays one
		if s.Path, err = filepath.EvalSymlinks(c.Path); err != nil {
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
	if err := unchanged(s, c); err != nil {
		return s, err
	}
	if s.Existed {
		s.Old = w.work(oldDir, strconv.Itoa(i))
		if err := w.write(s.Old, c.Before, 0o600, -1, -1); err != nil {
			return s, err
		}
	}
	if c.Kind == Remove {
		return s, nil
	}
	s.Staged, s.Sum = w.work(newDir, strconv.Itoa(i)), sum(c.After)
	if short := rel(w.dir, s.Path); filepath.IsAbs(short) { // perhaps on another file system
		s.Staged = filepath.Join(filepath.Dir(s.Path), "."+filepath.Base(s.Path)+".setup-new")
	}
	return s, w.write(s.Staged, c.After, c.Mode, c.UID, c.GID)
}

// unchanged tells whether a file still is what the plan was made for.
func unchanged(s step, c Change) error {
	changed := &RefusedError{Findings: []Finding{refused(CodeChanged, c.Path+" was changed since the plan was made", "run setup again")}}
	if !s.Existed {
		if c.Before != nil {
			return changed
		}
		return nil
	}
	data, err := os.ReadFile(s.Path)
	if err != nil {
		return err
	}
	if c.Before == nil || !bytes.Equal(data, c.Before) {
		return changed
	}
	return nil
}
