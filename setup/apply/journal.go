package apply

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// Messages about an interrupted run.
const (
	saidNothing  = "an earlier change was interrupted before it changed anything"
	saidComplete = "an earlier change was interrupted; it is complete now"
	saidUndone   = "an earlier change was interrupted while it was undone; everything is as it was before"
)

// States of a journal.
const (
	committing = "commit"   // everything is staged: this run or the next carries out the changes
	undoing    = "rollback" // a change failed: this run or the next restores the replaced files
)

// recoverRun finishes or rolls back an interrupted run, and returns a message about it. It acquires
// the lock unless l is held. hook is for tests.
func recoverRun(dir string, l *Lock, hook func(string) error) (said string, err error) {
	err = l.hold(dir, func() error {
		w := &worker{dir: dir, hook: hook, later: true}
		said, err = w.recover()
		return err
	})
	return said, err
}

// recover finishes or rolls back the run that left the working directory.
func (w *worker) recover() (string, error) {
	dir := w.dir
	said := ""
	for _, end := range []struct{ name, said string }{{installation.CompleteDir, saidComplete}, {installation.UndoneDir, saidUndone}} {
		path := filepath.Join(dir, end.name)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := w.op("remove", path, func() error { return w.RemoveAll(path) }); err != nil {
			return "", err
		}
		said = end.said
	}
	if _, err := os.Lstat(w.work()); errors.Is(err, fs.ErrNotExist) {
		return said, nil
	}
	j, err := installation.ReadJournal(installation.RootsOf(dir), w.work(installation.JournalFile))
	if err == nil {
		w.Users = j.Users
		if j.Version < installation.JournalVersion {
			w.Users = installation.ServerUsers(dir)
		}
		j.DropPlanted()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return saidNothing, w.unstage()
	case err != nil:
		return "", err
	case j.State == undoing:
		return saidUndone, w.undo(j)
	}
	edited, err := w.keepEdited(j)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(w.work(installation.OldDir)); err == nil { // otherwise it was interrupted after its last change
		if err := w.commit(j); err != nil {
			return "", err
		}
	}
	backup, err := w.keepBackup(j)
	if err != nil {
		return "", err
	}
	said = saidComplete
	if len(edited) > 0 {
		said += fmt.Sprintf(
			"; %s had been edited meanwhile, and that version is kept in %s: packhouse rollback brings it back",
			strings.Join(edited, ", "), backup,
		)
	}
	return said, w.finish(j, backup)
}

// keepEdited copies files that were edited after the interrupted run to the backup, before the run
// overwrites them. It returns their paths.
func (w *worker) keepEdited(j *installation.Journal) (edited []string, err error) {
	for i := range j.Steps {
		s := &j.Steps[i]
		if s.Mode.IsDir() {
			continue
		}
		data, info, err := w.edited(*s)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		s.Existed, s.OldMode = true, info.Mode()
		s.OldUID, s.OldGID = machine.Owner(info)
		s.Old = w.work(installation.OldDir, fmt.Sprintf("edited-%d", i))
		if err := w.write(s.Old, data, installation.OwnerOnly); err != nil {
			return nil, err
		}
		edited = append(edited, installation.Rel(w.dir, s.Path))
	}
	if len(edited) == 0 {
		return nil, nil
	}
	if err := w.writeJournal(w.work(installation.OldDir, installation.RecordFile), j); err != nil {
		return nil, err
	}
	return edited, w.writeJournal(w.work(installation.JournalFile), j)
}

// edited returns the content of a file that was edited since the step was planned. It returns nil
// if the file is unchanged or the step is already done.
func (w *worker) edited(s installation.Step) ([]byte, fs.FileInfo, error) {
	if _, err := os.Lstat(w.work(installation.OldDir)); err != nil {
		return nil, nil, nil //nolint:nilerr // behind the last change nothing is written over
	}
	if s.Kind != setup.Remove {
		if _, err := os.Lstat(s.Staged); err != nil {
			return nil, nil, nil //nolint:nilerr // done
		}
	}
	info, err := os.Stat(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	data, err := w.Read(s.Path)
	if err != nil || s.Kind != setup.Remove && installation.Sum(data) == s.Sum {
		return nil, nil, err
	}
	if s.Existed {
		if old, err := w.Read(s.Old); err == nil && bytes.Equal(old, data) {
			return nil, nil, nil
		}
	}
	if data == nil {
		data = []byte{}
	}
	return data, info, nil
}
