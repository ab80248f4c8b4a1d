package apply

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"packhouse/setup/installation"
)

// keepBackup moves the replaced files to the backup. Until then, a run can be rolled back.
func (w *worker) keepBackup(j *installation.Journal) (backup string, err error) {
	backup = w.backup(j)
	if err := w.makeDir(filepath.Dir(backup), 0o700, -1, -1); err != nil {
		return "", err
	}
	if _, err := os.Lstat(w.work(installation.OldDir)); err != nil {
		return backup, nil //nolint:nilerr // by a run that was cut off
	}
	return backup, w.op("rename", backup, func() error {
		if err := w.RemoveAll(backup); err != nil { // partial copy of an interrupted run
			return err
		}
		err := w.Rename(w.work(installation.OldDir), backup)
		if errors.Is(err, syscall.EXDEV) {
			return w.copyBackup(backup)
		}
		return err
	})
}

func (w *worker) backup(j *installation.Journal) string {
	return filepath.Join(w.dir, installation.BackupDir, j.At.UTC().Format(installation.BackupTime))
}

// copyBackup copies the replaced files to a backup directory on another file system.
func (w *worker) copyBackup(backup string) error {
	entries, err := os.ReadDir(w.work(installation.OldDir))
	if err != nil {
		return err
	}
	if err := w.Mkdir(backup, 0o700); err != nil {
		return err
	}
	for _, entry := range entries {
		data, err := w.Read(w.work(installation.OldDir, entry.Name()))
		if err != nil {
			return err
		}
		if err := w.WriteNew(filepath.Join(backup, entry.Name()), data, installation.OwnerOnly); err != nil {
			return err
		}
	}
	if err := w.Sync(backup, filepath.Dir(backup)); err != nil {
		return err
	}
	return w.RemoveAll(w.work(installation.OldDir))
}

// finish cleans up after a complete run. It keeps only one generation of backups, and no copy of
// generated passwords, which users are asked to delete. Files that cannot be removed are left: the
// run is complete anyway.
func (w *worker) finish(j *installation.Journal, backup string) error {
	var rest []string
	for _, s := range j.Steps {
		if s.Old != "" && installation.Rel(w.dir, s.Path) == installation.PasswordsFile {
			rest = append(rest, filepath.Join(backup, filepath.Base(s.Old)))
		}
	}
	for _, name := range installation.Backups(w.dir) {
		if path := filepath.Join(filepath.Dir(backup), name); path != backup {
			rest = append(rest, path)
		}
	}
	for _, path := range rest {
		if err := w.clear(path); err != nil {
			return err
		}
	}
	return w.tidy(installation.CompleteDir)
}

// clear removes files that are no longer needed. It ignores errors, except those of a simulated
// kill.
func (w *worker) clear(path string) error {
	err := w.op("remove", path, func() error { return w.RemoveAll(path) })
	if errors.As(err, new(killedError)) {
		return err
	}
	return nil
}

// tidy ends a run. It renames the working directory atomically, so that the outcome is known even
// if removing it is interrupted.
func (w *worker) tidy(end string) error {
	ended := filepath.Join(w.dir, end)
	if err := w.RemoveAll(ended); err != nil {
		return err
	}
	if err := w.rename(w.work(), ended); err != nil {
		return err
	}
	return w.clear(ended)
}

// unstage removes the staged files of a run that has not changed anything yet.
func (w *worker) unstage() error {
	var outside []string
	if data, err := w.Policy().ReadFile(w.work(installation.BesideFile), installation.LargestFile); err == nil {
		_ = json.Unmarshal(data, &outside) // incomplete: nothing was staged yet
	}
	r := w.roots()
	for _, text := range outside {
		if name, ok := strings.CutSuffix(filepath.Base(text), installation.StagedSuffix); ok { // format of earlier versions
			text = filepath.Join(filepath.Dir(text), strings.TrimPrefix(name, "."))
		}
		path, err := r.Decode(text, false)
		if err != nil {
			continue // not a staged file
		}
		s := installation.Step{}
		if err := s.Resolve(path, w.Places); err != nil {
			return err
		}
		if err := w.removeFile(installation.Beside(s.Path)); err != nil {
			return err
		}
	}
	return w.op("remove", w.work(), func() error { return w.RemoveAll(w.work()) })
}
