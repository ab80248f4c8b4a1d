package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"packhouse/trust"
)

// Names of apply's working files, below the installation directory.
const (
	workDir     = ".setup"
	newDir      = "new"
	oldDir      = "old"
	journalFile = "journal.json"
	pidFile     = "pid"
	recordFile  = "backup.json"
	besideFile  = "beside.json" // lists files staged outside of the installation directory
)

// Names that the working directory is atomically renamed to when a run ends, before its removal.
const (
	completeDir = ".setup-complete"
	undoneDir   = ".setup-undone"
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

// journal lists the changes that apply is about to make. It is written before the first change; its
// presence marks the start of the new installation.
type journal struct {
	Version int       `json:"version"`
	State   string    `json:"state"`
	At      time.Time `json:"at"`
	Made    []string  `json:"made,omitempty"`  // directories created for staging
	Users   []int     `json:"users,omitempty"` // UIDs of the server, which may own files and their directories
	Steps   []step    `json:"steps"`
}

// step is one change of a journal, and an entry of a backup. Its operations are idempotent.
type step struct {
	Path   string      `json:"path"`
	Kind   ChangeKind  `json:"kind"`
	Secret bool        `json:"secret,omitempty"`
	Mode   fs.FileMode `json:"mode"` // with fs.ModeDir for a directory
	UID    int         `json:"uid"`
	GID    int         `json:"gid"`
	Staged string      `json:"staged,omitempty"` // absolute in memory; renamed to Path
	Sum    string      `json:"sum,omitempty"`    // checksum of the content after

	Existed bool        `json:"existed"` // the file existed before
	Old     string      `json:"old,omitempty"`
	OldMode fs.FileMode `json:"oldMode,omitempty"`
	OldUID  int         `json:"oldUid,omitempty"`
	OldGID  int         `json:"oldGid,omitempty"`

	Attributes    trust.Attributes `json:"attributes,omitempty"` // after; nil: unknown or none
	OldAttributes trust.Attributes `json:"oldAttributes,omitempty"`

	link string // planned path, if it is a link to Path
}

// dropPlanted removes the step for the owner record of a store if something else is in its place:
// the server's user must not be able to block the end of a run with it.
func (j *journal) dropPlanted() {
	j.Steps = slices.DeleteFunc(j.Steps, func(s step) bool { return plantedRecord(s.Path) != nil })
}

// after returns the metadata of a file after the step.
func (s step) after() metadata { return metadata{s.Mode, s.UID, s.GID, s.Attributes} }

// before returns the metadata of a file before the step.
func (s step) before() metadata { return metadata{s.OldMode, s.OldUID, s.OldGID, s.OldAttributes} }

// planned returns the path in the plan: the link, if Path is the target of one.
func (s step) planned() string {
	if s.link != "" {
		return s.link
	}
	return s.Path
}

// resolve sets the path of a step. If path is a link that only the acting user or root can have
// created, the link stays and its target is changed. The owner record of a store is never a link.
func (s *step) resolve(path string, p places) error {
	s.Path, s.link = path, ""
	if _, ok := isOwnerRecord(path); ok {
		return nil
	}
	if link, err := os.Lstat(path); err != nil || link.Mode()&fs.ModeSymlink == 0 || s.Mode.IsDir() {
		return nil //nolint:nilerr // what does not exist is not a link
	}
	resolved, err := p.policy().Resolve(path)
	if err != nil {
		return refuseUnsafe(err)
	}
	s.Path, s.link = resolved, path
	return nil
}

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
	for _, end := range []struct{ name, said string }{{completeDir, saidComplete}, {undoneDir, saidUndone}} {
		path := filepath.Join(dir, end.name)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if err := w.op("remove", path, func() error { return w.removeAll(path) }); err != nil {
			return "", err
		}
		said = end.said
	}
	if _, err := os.Lstat(w.work()); errors.Is(err, fs.ErrNotExist) {
		return said, nil
	}
	j, err := readJournal(rootsOf(dir), w.work(journalFile))
	if err == nil {
		w.users = j.Users
		if j.Version < journalVersion {
			w.users = ServerUsers(dir)
		}
		j.dropPlanted()
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
	if _, err := os.Lstat(w.work(oldDir)); err == nil { // otherwise it was interrupted after its last change
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
		said += fmt.Sprintf("; %s had been edited meanwhile, and that version is kept in %s: packhouse rollback brings it back", strings.Join(edited, ", "), backup)
	}
	return said, w.finish(j, backup)
}

// keepEdited copies files that were edited after the interrupted run to the backup, before the run
// overwrites them. It returns their paths.
func (w *worker) keepEdited(j *journal) (edited []string, err error) {
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
		s.OldUID, s.OldGID = owner(info)
		s.Old = w.work(oldDir, fmt.Sprintf("edited-%d", i))
		if err := w.write(s.Old, data, ownerOnly); err != nil {
			return nil, err
		}
		edited = append(edited, rel(w.dir, s.Path))
	}
	if len(edited) == 0 {
		return nil, nil
	}
	if err := w.writeJournal(w.work(oldDir, recordFile), j); err != nil {
		return nil, err
	}
	return edited, w.writeJournal(w.work(journalFile), j)
}

// edited returns the content of a file that was edited since the step was planned. It returns nil
// if the file is unchanged or the step is already done.
func (w *worker) edited(s step) ([]byte, fs.FileInfo, error) {
	if _, err := os.Lstat(w.work(oldDir)); err != nil {
		return nil, nil, nil //nolint:nilerr // behind the last change nothing is written over
	}
	if s.Kind != Remove {
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
	data, err := w.read(s.Path)
	if err != nil || s.Kind != Remove && sum(data) == s.Sum {
		return nil, nil, err
	}
	if s.Existed {
		if old, err := w.read(s.Old); err == nil && bytes.Equal(old, data) {
			return nil, nil, nil
		}
	}
	if data == nil {
		data = []byte{}
	}
	return data, info, nil
}
