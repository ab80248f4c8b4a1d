package apply

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/trust"
)

// writeManaged writes the managed files, as a plan leaves them, to the backup in progress. It omits
// the CA's key, which users may move away, and generated passwords, which users are asked to
// delete.
func (w *worker) writeManaged(p *plan.Plan) error {
	files, err := w.managed(p)
	if err != nil {
		return fmt.Errorf("keep managed files: %w", err)
	}
	return w.writeJSON(w.work(installation.OldDir, installation.FilesFile), files)
}

// managed returns the managed files as a plan leaves them.
func (w *worker) managed(p *plan.Plan) (files []installation.ManagedFile, err error) {
	r := w.roots()
	add := func(path string, content []byte) {
		if name := installation.Rel(w.dir, path); name == installation.CAKeyFile || name == installation.PasswordsFile ||
			err != nil {
			return
		}
		var text string
		if text, err = r.Encode(path); err == nil {
			files = append(files, installation.ManagedFile{Path: text, Content: content})
		}
	}
	for _, c := range p.Changes {
		if !c.Mode.IsDir() && c.Kind != setup.Remove && c.After != nil {
			add(c.Path, c.After)
		}
	}
	if p.Installed == nil || p.Installed.Manifest == nil {
		return files, err
	}
	for _, row := range p.Installed.Manifest.Files { // the plan need not list unchanged files
		path := row.At(w.dir)
		if p.Change(path) != nil || plan.OwnsStore(p.Installed, path) {
			continue // the server's user can write the owner record, and plans write it again
		}
		data, failure := w.ReadLinked(path)
		if failure != nil {
			if errors.Is(failure, fs.ErrNotExist) || trust.Unsafe(failure) != nil {
				continue // a link or a pipe is in its place
			}
			return nil, failure
		}
		add(path, data)
	}
	return files, err
}

// worker changes files. Every operation at which a run could be interrupted goes through op.
type worker struct {
	installation.Places
	unit     string // the systemd unit; empty: UnitFile
	dir      string
	hook     func(operation string) error
	progress func(verb, path string)
	configs  []*config.Config    // before and after the change, to derive the roots
	known    *installation.Roots // result of roots
	later    bool                // finishing an interrupted run: other content was edited since
}

// killedError ends a run in tests like a kill: without cleanup.
type killedError struct{ cause error }

func (e killedError) Error() string { return e.cause.Error() }

func (e killedError) Unwrap() error { return e.cause }

// failedError makes one operation fail in tests, before or after it is done.
type failedError struct {
	cause error
	done  bool
}

func (e failedError) Error() string { return e.cause.Error() }

func (e failedError) Unwrap() error { return e.cause }

func (w *worker) op(operation, path string, do func() error) error {
	if w.hook == nil {
		return do()
	}
	err := w.hook(operation + " " + installation.Rel(w.dir, path))
	failed, ok := errors.AsType[failedError](err)
	switch {
	case err == nil:
		return do()
	case !ok:
		return killedError{err}
	case failed.done:
		return errors.Join(do(), failed)
	}
	return failed
}

func (w *worker) work(names ...string) string {
	return filepath.Join(append([]string{w.dir, installation.WorkDir}, names...)...)
}

// write creates a file with its metadata, and returns when it is on disk.
func (w *worker) write(path string, data []byte, meta installation.Metadata) error {
	return w.op("write", path, func() error {
		if err := w.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by an earlier run
			return err
		}
		return w.WriteNew(path, data, meta)
	})
}

func (w *worker) rename(from, to string) error {
	return w.op("rename", to, func() error { return w.Rename(from, to) })
}

func (w *worker) removeFile(path string) error {
	return w.op("remove", path, func() error { return w.removeNow(path) })
}

// removeNow removes a file, which need not exist, and returns when that is on disk.
func (w *worker) removeNow(path string) error {
	if err := w.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return w.Sync(filepath.Dir(path))
}

// commit carries out the steps of a journal. It is idempotent.
func (w *worker) commit(j *installation.Journal) error {
	for _, s := range j.Steps {
		if w.progress != nil {
			w.progress(string(s.Kind), installation.Rel(w.dir, s.Path))
		}
		if err := w.do(s); err != nil {
			return fmt.Errorf("%s %s: %w", s.Kind, s.Path, err)
		}
	}
	return nil
}

func (w *worker) do(s installation.Step) error {
	switch {
	case s.Mode.IsDir() && s.Kind == setup.Remove:
		return w.op("rmdir", s.Path, func() error {
			_ = w.Remove(s.Path) // fails if it is not empty
			return nil
		})
	case s.Mode.IsDir():
		return w.makeDir(s.Path, s.Mode.Perm(), s.UID, s.GID)
	case s.Kind == setup.Remove:
		return w.op("remove", s.Path, func() error {
			if err := w.verifyOld(s); err != nil {
				return err
			}
			return w.removeNow(s.Path)
		})
	}
	if data, err := w.Read(s.Path); err == nil && installation.Sum(data) == s.Sum {
		if info, err := os.Stat(s.Path); err == nil && info.Mode().Perm() == s.Mode.Perm() &&
			installation.Owned(info, s.UID, s.GID) {
			return nil // by an interrupted run
		}
	}
	if _, err := os.Lstat(s.Staged); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(s.Path); err == nil {
			return nil // done before the interruption, and edited since
		}
	}
	replace := func(from string) error {
		return w.op("rename", s.Path, func() error {
			if err := w.verifyStaged(s, from); err != nil {
				return err
			}
			if err := w.verifyOld(s); err != nil {
				return err
			}
			return w.Rename(from, s.Path)
		})
	}
	err := replace(s.Staged)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	data, err := w.Read(s.Staged) // part of the installation is on another file system
	if err != nil {
		return err
	}
	if err := w.write(installation.Beside(s.Path), data, s.After()); err != nil {
		return err
	}
	return replace(installation.Beside(s.Path))
}

// makeDir creates a directory, or sets the mode of an existing one.
func (w *worker) makeDir(path string, mode fs.FileMode, uid, gid int) error {
	return w.op("mkdir", path, func() error {
		if err := w.MkdirAll(path); err != nil {
			return err
		}
		if err := w.Own(path, mode, uid, gid); err != nil {
			return err
		}
		return w.Sync(filepath.Dir(path))
	})
}

// verify verifies that every step is done. A file that another program changed since is kept.
func (w *worker) verify(j *installation.Journal) error {
	for _, s := range j.Steps {
		info, err := os.Stat(s.Path)
		switch {
		case s.Kind == setup.Remove && err == nil && !s.Mode.IsDir():
			return fmt.Errorf("verify %s: it exists after it was removed", s.Path)
		case s.Kind == setup.Remove:
			continue
		case err != nil:
			return fmt.Errorf("verify: %w", err)
		}
		if !s.Mode.IsDir() {
			data, err := w.Read(s.Path)
			if err != nil {
				return fmt.Errorf("verify: %w", err)
			}
			if installation.Sum(data) != s.Sum {
				continue
			}
		}
		switch {
		case !installation.Owned(info, s.UID, s.GID):
			return fmt.Errorf("verify %s: it does not belong to %d:%d", s.Path, s.UID, s.GID)
		case info.Mode().Perm() != s.Mode.Perm():
			return fmt.Errorf("verify %s: its mode is %04o, not %04o", s.Path, info.Mode().Perm(), s.Mode.Perm())
		}
	}
	return nil
}

// verifyStaged verifies that a staged file has the step's content.
func (w *worker) verifyStaged(s installation.Step, path string) error {
	data, err := w.Read(path)
	if err != nil {
		return err
	}
	if installation.Sum(data) != s.Sum {
		return fmt.Errorf("verify %s: it does not hold what was written", path)
	}
	return nil
}

// writeJSON writes a value atomically, through a temporary file.
func (w *worker) writeJSON(path string, value any) error {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	if err := w.write(path+".tmp", append(data, '\n'), installation.OwnerOnly); err != nil {
		return err
	}
	return w.rename(path+".tmp", path)
}

// writeJournal writes a journal with paths relative to the installation's roots.
func (w *worker) writeJournal(path string, j *installation.Journal) error {
	encoded, err := j.Encode(w.roots())
	if err != nil {
		return err
	}
	return w.writeJSON(path, encoded)
}

// roots returns the installation's roots before and after the change. The change itself does not
// alter them, so they are derived once.
func (w *worker) roots() installation.Roots {
	if w.known == nil {
		r := installation.RootsOf(w.dir).WithUnit(w.unit)
		for _, c := range w.configs {
			r.Add(c)
		}
		w.known = &r
	}
	return *w.known
}

// readLimited reads a small file.
func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}
