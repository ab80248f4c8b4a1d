package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Names of what apply works with, below the installation's directory.
const (
	workDir     = ".setup"
	newDir      = "new"
	oldDir      = "old"
	journalFile = "journal.json"
	pidFile     = "pid"
	recordFile  = "backup.json"
)

// States of a journal.
const (
	committing = "commit"   // everything is staged: the changes are carried out, now or by the next run
	undoing    = "rollback" // a change failed: what was replaced is put back, now or by the next run
)

// journal is what apply is about to do, written before it does the first of it. Its presence is what divides the old installation from the
// new one.
type journal struct {
	Version int       `json:"version"`
	State   string    `json:"state"`
	At      time.Time `json:"at"`
	Made    []string  `json:"made,omitempty"` // directories that had to be made to stage anything
	Steps   []step    `json:"steps"`
}

// step is one change of a journal, and at the same time one entry of a backup. Every part of it can be done twice.
type step struct {
	Path   string      `json:"path"`
	Kind   ChangeKind  `json:"kind"`
	Secret bool        `json:"secret,omitempty"`
	Mode   fs.FileMode `json:"mode"` // with fs.ModeDir for a directory
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
	Staged string      `json:"staged,omitempty"` // absolute; renamed to Path
	Sum    string      `json:"sum,omitempty"`    // of the content after

	Existed bool        `json:"existed"` // there was something before
	Old     string      `json:"old,omitempty"`
	OldMode fs.FileMode `json:"oldMode,omitempty"`
	OldUID  int         `json:"oldUid,omitempty"`
	OldGID  int         `json:"oldGid,omitempty"`
}

func readJournal(path string) (*journal, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	j := &journal{}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	return j, nil
}

// recover finishes or undoes an earlier run that was cut off, and says which.
func (in *Installed) recover() error {
	work := in.path(workDir)
	if _, err := os.Lstat(work); err != nil {
		return nil //nolint:nilerr // nothing there, or nothing to be seen: nothing to mend
	}
	said, err := recoverRun(in.Dir, nil)
	switch {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		in.HalfDone = true
		return nil
	case err != nil:
		return err
	}
	in.Recovered = said
	return nil
}

// recoverRun does what recover says, with the hook of tests.
func recoverRun(dir string, hook func(string) error) (string, error) {
	unlock, err := lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	w := &worker{dir: dir, hook: hook}
	j, err := readJournal(filepath.Join(dir, workDir, journalFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := w.tidy(); err != nil {
			return "", err
		}
		return "an earlier setup was cut off before it changed anything", nil
	case err != nil:
		return "", err
	case j.State == undoing:
		if err := w.undo(j); err != nil {
			return "", err
		}
		return "an earlier setup was cut off while it was undone; everything is as it was before", nil
	}
	if err := w.commit(j); err != nil {
		return "", err
	}
	if _, err := w.finish(j); err != nil {
		return "", err
	}
	return "an earlier setup was cut off halfway; it is complete now", nil
}
