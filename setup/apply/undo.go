package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"packhouse/setup"
	"packhouse/setup/installation"
)

// undo rolls back all steps, the last one first. It is idempotent.
func (w *worker) undo(j *installation.Journal) error {
	j.DropPlanted()
	backup := w.backup(j)
	if _, err := os.Lstat(w.work(installation.OldDir)); errors.Is(err, fs.ErrNotExist) { // interrupted after the rename
		if err := w.rename(backup, w.work(installation.OldDir)); err != nil {
			return err
		}
	}
	_ = w.Remove(filepath.Dir(backup)) // fails if it holds another backup
	for _, s := range slices.Backward(j.Steps) {
		if err := w.undoStep(s); err != nil {
			return fmt.Errorf("put back %s: %w", s.Path, err)
		}
		if s.Staged != "" {
			_ = w.Remove(s.Staged)
			_ = w.Remove(installation.Beside(s.Path))
		}
	}
	if err := w.tidy(installation.UndoneDir); err != nil {
		return err
	}
	w.removeMade(j.Made)
	return nil
}

func (w *worker) undoStep(s installation.Step) error {
	switch {
	case s.Mode.IsDir() && !s.Existed:
		return w.op("rmdir", s.Path, func() error {
			if info, err := os.Lstat(s.Path); err == nil && info.IsDir() { // a link is not from this run
				_ = w.Remove(s.Path)
			}
			return nil
		})
	case s.Mode.IsDir():
		return w.makeDir(s.Path, s.OldMode.Perm(), s.OldUID, s.OldGID)
	}
	if have, err := w.Read(s.Path); err == nil && (s.Kind == setup.Remove || installation.Sum(have) != s.Sum) {
		return nil // unchanged, already restored, or changed by another program
	}
	if !s.Existed {
		return w.removeFile(s.Path)
	}
	data, err := w.Read(s.Old)
	if err != nil {
		return err
	}
	if have, err := w.Read(s.Path); err == nil && installation.Sum(have) == installation.Sum(data) {
		if info, err := os.Stat(s.Path); err == nil && info.Mode().Perm() == s.OldMode.Perm() &&
			installation.Owned(info, s.OldUID, s.OldGID) {
			return nil
		}
	}
	beside := filepath.Join(filepath.Dir(s.Path), "."+filepath.Base(s.Path)+".setup-old")
	if err := w.write(beside, data, s.Before()); err != nil {
		return err
	}
	return w.rename(beside, s.Path)
}

// removeMade removes created directories that are empty.
func (w *worker) removeMade(made []string) {
	for _, dir := range slices.Backward(made) {
		_ = w.Remove(dir)
	}
}
