package setup

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// keepBackup makes what was replaced the backup. It is the last step of a run that can be undone.
func (w *worker) keepBackup(j *journal) (backup string, err error) {
	backup = w.backup(j)
	if err := w.makeDir(filepath.Dir(backup), 0o700, -1, -1); err != nil {
		return "", err
	}
	if _, err := os.Lstat(w.work(oldDir)); err != nil {
		return backup, nil //nolint:nilerr // by a run that was cut off
	}
	return backup, w.op("rename", backup, func() error {
		if err := os.RemoveAll(backup); err != nil { // half a copy of a run that was cut off
			return err
		}
		err := os.Rename(w.work(oldDir), backup)
		if errors.Is(err, syscall.EXDEV) {
			return w.copyBackup(backup)
		}
		if err != nil {
			return err
		}
		return syncDirs(filepath.Dir(backup), w.work())
	})
}

func (w *worker) backup(j *journal) string {
	return filepath.Join(w.dir, BackupDir, j.At.UTC().Format(backupTime))
}

// copyBackup is for a backup/ on another disk.
func (w *worker) copyBackup(backup string) error {
	entries, err := os.ReadDir(w.work(oldDir))
	if err != nil {
		return err
	}
	if err := os.Mkdir(backup, 0o700); err != nil {
		return err
	}
	for _, entry := range entries {
		data, err := os.ReadFile(w.work(oldDir, entry.Name()))
		if err != nil {
			return err
		}
		if err := writeNew(filepath.Join(backup, entry.Name()), data, 0o600, -1, -1); err != nil {
			return err
		}
	}
	if err := syncDirs(backup, filepath.Dir(backup)); err != nil {
		return err
	}
	return os.RemoveAll(w.work(oldDir))
}

// finish clears up behind a run that is complete. Only one generation of backup is kept, and no copy of generated passwords, which somebody
// is to delete. What cannot be cleared up is left: the run is complete all the same.
func (w *worker) finish(j *journal, backup string) error {
	var rest []string
	for _, s := range j.Steps {
		if s.Old != "" && rel(w.dir, s.Path) == PasswordsFile {
			rest = append(rest, filepath.Join(backup, filepath.Base(s.Old)))
		}
	}
	for _, name := range backups(w.dir) {
		if path := filepath.Join(filepath.Dir(backup), name); path != backup {
			rest = append(rest, path)
		}
	}
	for _, path := range rest {
		if err := w.clear(path); err != nil {
			return err
		}
	}
	return w.tidy(completeDir)
}

// clear removes what is of no use any more, if it can; the error is that of a kill.
func (w *worker) clear(path string) error {
	err := w.op("remove", path, func() error { return os.RemoveAll(path) })
	if errors.As(err, new(killedError)) {
		return err
	}
	return nil
}

// tidy ends a run: in one step the working directory is no longer the journal's but says how the run ended, whenever that is cut off.
func (w *worker) tidy(end string) error {
	ended := filepath.Join(w.dir, end)
	if err := os.RemoveAll(ended); err != nil {
		return err
	}
	if err := w.rename(w.work(), ended); err != nil {
		return err
	}
	return w.clear(ended)
}

// unstage takes away what a run prepared that has not begun to change anything.
func (w *worker) unstage() error {
	var outside []string
	if data, err := os.ReadFile(w.work(besideFile)); err == nil {
		_ = json.Unmarshal(data, &outside) // not whole: none was staged yet
	}
	for _, path := range outside {
		if err := w.removeFile(path); err != nil {
			return err
		}
	}
	return w.op("remove", w.work(), func() error { return os.RemoveAll(w.work()) })
}
