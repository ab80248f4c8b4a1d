package setup

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
)

// worker changes files. Every operation at which a run could be interrupted goes through op.
type worker struct {
	places
	unit     string // the systemd unit; empty: UnitFile
	dir      string
	hook     func(operation string) error
	progress func(verb, path string)
	configs  []*config.Config // before and after the change, to derive the roots
	known    *roots           // result of roots
	later    bool             // finishing an interrupted run: other content was edited since
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
	err := w.hook(operation + " " + rel(w.dir, path))
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
	return filepath.Join(append([]string{w.dir, workDir}, names...)...)
}

// write creates a file with its metadata, and returns when it is on disk.
func (w *worker) write(path string, data []byte, meta metadata) error {
	return w.op("write", path, func() error {
		if err := w.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by an earlier run
			return err
		}
		return w.writeNew(path, data, meta)
	})
}

// owned reports whether a file belongs to a user and a group. Negative IDs match any.
func owned(info fs.FileInfo, uid, gid int) bool {
	if uid < 0 {
		return true
	}
	haveUID, haveGID := owner(info)
	return haveUID == uid && haveGID == gid
}

func (w *worker) rename(from, to string) error {
	return w.op("rename", to, func() error { return w.places.rename(from, to) })
}

func (w *worker) removeFile(path string) error {
	return w.op("remove", path, func() error { return w.removeNow(path) })
}

// removeNow removes a file, which need not exist, and returns when that is on disk.
func (w *worker) removeNow(path string) error {
	if err := w.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return w.sync(filepath.Dir(path))
}

// commit carries out the steps of a journal. It is idempotent.
func (w *worker) commit(j *journal) error {
	for _, s := range j.Steps {
		if w.progress != nil {
			w.progress(string(s.Kind), rel(w.dir, s.Path))
		}
		if err := w.do(s); err != nil {
			return fmt.Errorf("%s %s: %w", s.Kind, s.Path, err)
		}
	}
	return nil
}

func (w *worker) do(s step) error {
	switch {
	case s.Mode.IsDir() && s.Kind == Remove:
		return w.op("rmdir", s.Path, func() error {
			_ = w.remove(s.Path) // fails if it is not empty
			return nil
		})
	case s.Mode.IsDir():
		return w.makeDir(s.Path, s.Mode.Perm(), s.UID, s.GID)
	case s.Kind == Remove:
		return w.op("remove", s.Path, func() error {
			if err := w.verifyOld(s); err != nil {
				return err
			}
			return w.removeNow(s.Path)
		})
	}
	if data, err := w.read(s.Path); err == nil && sum(data) == s.Sum {
		if info, err := os.Stat(s.Path); err == nil && info.Mode().Perm() == s.Mode.Perm() && owned(info, s.UID, s.GID) {
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
			return w.places.rename(from, s.Path)
		})
	}
	err := replace(s.Staged)
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	data, err := w.read(s.Staged) // part of the installation is on another file system
	if err != nil {
		return err
	}
	if err := w.write(beside(s.Path), data, s.after()); err != nil {
		return err
	}
	return replace(beside(s.Path))
}

// stagedSuffix is the suffix of files staged in their target's directory.
const stagedSuffix = ".setup-new"

// beside returns the path where a file's content is staged in its own directory.
func beside(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+stagedSuffix)
}

// makeDir creates a directory, or sets the mode of an existing one.
func (w *worker) makeDir(path string, mode fs.FileMode, uid, gid int) error {
	return w.op("mkdir", path, func() error {
		if err := w.mkdirAll(path); err != nil {
			return err
		}
		if err := w.own(path, mode, uid, gid); err != nil {
			return err
		}
		return w.sync(filepath.Dir(path))
	})
}

// verify verifies that every step is done. A file that another program changed since is kept.
func (w *worker) verify(j *journal) error {
	for _, s := range j.Steps {
		info, err := os.Stat(s.Path)
		switch {
		case s.Kind == Remove && err == nil && !s.Mode.IsDir():
			return fmt.Errorf("verify %s: it exists after it was removed", s.Path)
		case s.Kind == Remove:
			continue
		case err != nil:
			return fmt.Errorf("verify: %w", err)
		}
		if !s.Mode.IsDir() {
			data, err := w.read(s.Path)
			if err != nil {
				return fmt.Errorf("verify: %w", err)
			}
			if sum(data) != s.Sum {
				continue
			}
		}
		switch {
		case !owned(info, s.UID, s.GID):
			return fmt.Errorf("verify %s: it does not belong to %d:%d", s.Path, s.UID, s.GID)
		case info.Mode().Perm() != s.Mode.Perm():
			return fmt.Errorf("verify %s: its mode is %04o, not %04o", s.Path, info.Mode().Perm(), s.Mode.Perm())
		}
	}
	return nil
}

// verifyStaged verifies that a staged file has the step's content.
func (w *worker) verifyStaged(s step, path string) error {
	data, err := w.read(path)
	if err != nil {
		return err
	}
	if sum(data) != s.Sum {
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
	if err := w.write(path+".tmp", append(data, '\n'), ownerOnly); err != nil {
		return err
	}
	return w.rename(path+".tmp", path)
}

// writeJournal writes a journal with paths relative to the installation's roots.
func (w *worker) writeJournal(path string, j *journal) error {
	encoded, err := j.encode(w.roots())
	if err != nil {
		return err
	}
	return w.writeJSON(path, encoded)
}

// roots returns the installation's roots before and after the change. The change itself does not
// alter them, so they are derived once.
func (w *worker) roots() roots {
	if w.known == nil {
		r := rootsOf(w.dir).withUnit(w.unit)
		for _, c := range w.configs {
			r.add(c)
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
