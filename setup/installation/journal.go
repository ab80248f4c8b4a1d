package installation

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"packhouse/setup"
	"packhouse/setup/machine"
	"packhouse/trust"
)

// Names of apply's working files, below the installation directory.
const (
	WorkDir     = ".setup"
	NewDir      = "new"
	OldDir      = "old"
	JournalFile = "journal.json"
	PidFile     = "pid"
	RecordFile  = "backup.json"
	BesideFile  = "beside.json" // lists files staged outside of the installation directory
)

// Names that the working directory is atomically renamed to when a run ends, before its removal.
const (
	CompleteDir = ".setup-complete"
	UndoneDir   = ".setup-undone"
)

// Journal lists the changes that apply is about to make. It is written before the first change; its
// presence marks the start of the new installation.
type Journal struct {
	Version int       `json:"version"`
	State   string    `json:"state"`
	At      time.Time `json:"at"`
	Made    []string  `json:"made,omitempty"`  // directories created for staging
	Users   []int     `json:"users,omitempty"` // UIDs of the server, which may own files and their directories
	Steps   []Step    `json:"steps"`
}

// Step is one change of a journal, and an entry of a backup. Its operations are idempotent.
type Step struct {
	Path   string           `json:"path"`
	Kind   setup.ChangeKind `json:"kind"`
	Secret bool             `json:"secret,omitempty"`
	Mode   fs.FileMode      `json:"mode"` // with fs.ModeDir for a directory
	UID    int              `json:"uid"`
	GID    int              `json:"gid"`
	Staged string           `json:"staged,omitempty"` // absolute in memory; renamed to Path
	Sum    string           `json:"sum,omitempty"`    // checksum of the content after

	Existed bool        `json:"existed"` // the file existed before
	Old     string      `json:"old,omitempty"`
	OldMode fs.FileMode `json:"oldMode,omitempty"`
	OldUID  int         `json:"oldUid,omitempty"`
	OldGID  int         `json:"oldGid,omitempty"`

	Attributes    trust.Attributes `json:"attributes,omitempty"` // after; nil: unknown or none
	OldAttributes trust.Attributes `json:"oldAttributes,omitempty"`

	Link string // planned path, if it is a link to Path
}

// DropPlanted removes the step for the owner record of a store if something else is in its place:
// the server's user must not be able to block the end of a run with it.
func (j *Journal) DropPlanted() {
	j.Steps = slices.DeleteFunc(j.Steps, func(s Step) bool { return PlantedRecord(s.Path) != nil })
}

// After returns the metadata of a file after the step.
func (s Step) After() Metadata { return Metadata{s.Mode, s.UID, s.GID, s.Attributes} }

// Before returns the metadata of a file before the step.
func (s Step) Before() Metadata { return Metadata{s.OldMode, s.OldUID, s.OldGID, s.OldAttributes} }

// Planned returns the path in the plan: the link, if Path is the target of one.
func (s Step) Planned() string {
	if s.Link != "" {
		return s.Link
	}
	return s.Path
}

// Resolve sets the path of a step. If path is a link that only the acting user or root can have
// created, the link stays and its target is changed. The owner record of a store is never a link.
func (s *Step) Resolve(path string, p Places) error {
	s.Path, s.Link = path, ""
	if _, ok := isOwnerRecord(path); ok {
		return nil
	}
	if link, err := os.Lstat(path); err != nil || link.Mode()&fs.ModeSymlink == 0 || s.Mode.IsDir() {
		return nil //nolint:nilerr // what does not exist is not a link
	}
	resolved, err := p.Policy().Resolve(path)
	if err != nil {
		return AsFinding(err)
	}
	s.Path, s.Link = resolved, path
	return nil
}

// Owned reports whether a file belongs to a user and a group. Negative IDs match any.
func Owned(info fs.FileInfo, uid, gid int) bool {
	if uid < 0 {
		return true
	}
	haveUID, haveGID := machine.Owner(info)
	return haveUID == uid && haveGID == gid
}

// StagedSuffix is the suffix of files staged in their target's directory.
const StagedSuffix = ".setup-new"

// Beside returns the path where a file's content is staged in its own directory.
func Beside(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+StagedSuffix)
}
