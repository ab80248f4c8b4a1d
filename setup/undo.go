package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// undo rolls back all steps, the last one first. It is idempotent.
func (w *worker) undo(j *journal) error {
	j.dropPlanted()
	backup := w.backup(j)
	if _, err := os.Lstat(w.work(oldDir)); errors.Is(err, fs.ErrNotExist) { // interrupted after the rename
		if err := w.rename(backup, w.work(oldDir)); err != nil {
			return err
		}
	}
	_ = w.remove(filepath.Dir(backup)) // fails if it holds another backup
	for _, s := range slices.Backward(j.Steps) {
		if err := w.undoStep(s); err != nil {
			return fmt.Errorf("put back %s: %w", s.Path, err)
		}
		if s.Staged != "" {
			_ = w.remove(s.Staged)
			_ = w.remove(beside(s.Path))
		}
	}
	if err := w.tidy(undoneDir); err != nil {
		return err
	}
	w.removeMade(j.Made)
	return nil
}

func (w *worker) undoStep(s step) error {
	switch {
	case s.Mode.IsDir() && !s.Existed:
		return w.op("rmdir", s.Path, func() error {
			_ = w.remove(s.Path)
			return nil
		})
	case s.Mode.IsDir():
		return w.makeDir(s.Path, s.OldMode.Perm(), s.OldUID, s.OldGID)
	}
	if have, err := w.read(s.Path); err == nil && (s.Kind == Remove || sum(have) != s.Sum) {
		return nil // unchanged, already restored, or changed by another program
	}
	if !s.Existed {
		return w.removeFile(s.Path)
	}
	data, err := w.read(s.Old)
	if err != nil {
		return err
	}
	if have, err := w.read(s.Path); err == nil && sum(have) == sum(data) {
		if info, err := os.Stat(s.Path); err == nil && info.Mode().Perm() == s.OldMode.Perm() && owned(info, s.OldUID, s.OldGID) {
			return nil
		}
	}
	beside := filepath.Join(filepath.Dir(s.Path), "."+filepath.Base(s.Path)+".setup-old")
	if err := w.write(beside, data, s.before()); err != nil {
		return err
	}
	return w.rename(beside, s.Path)
}

// removeMade removes created directories that are empty.
func (w *worker) removeMade(made []string) {
	for _, dir := range slices.Backward(made) {
		_ = w.remove(dir)
	}
}
