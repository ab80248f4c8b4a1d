package installation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

	"packhouse/pattern"
	"packhouse/setup"
	"packhouse/trust"
)

// JournalVersion is the version of the format of journals and backup manifests. Version 1 used
// absolute paths.
const JournalVersion = 2

// besideTarget is the value of step.Staged for content that is staged in the directory of its
// target file.
const besideTarget = "beside"

// number matches the names of files in the working directory.
var number = pattern.Lazy(`^[a-z]*-?[0-9]{1,6}$`)

// Encode returns a copy of the journal for writing, with paths relative to the roots of the
// installation.
func (j *Journal) Encode(r Roots) (*Journal, error) {
	out := *j
	out.Version, out.Made, out.Steps = JournalVersion, nil, nil
	for _, path := range j.Made {
		text, err := r.Encode(path)
		if err != nil {
			return nil, err
		}
		out.Made = append(out.Made, text)
	}
	for _, s := range j.Steps {
		if s.Staged != "" {
			if below(s.Staged, r.Dir) && filepath.Base(filepath.Dir(s.Staged)) == NewDir {
				s.Staged = filepath.Base(s.Staged)
			} else {
				s.Staged = besideTarget
			}
		}
		if s.Old != "" {
			s.Old = filepath.Base(s.Old)
		}
		var err error
		if s.Path, err = r.Encode(s.Planned()); err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, s)
	}
	return &out, nil
}

// ReadJournal reads the journal of a run, or the manifest of a backup, of the installation with
// these roots. If it is damaged, the error is a *finding.Error.
func ReadJournal(r Roots, path string) (*Journal, error) {
	data, err := (Places{}).Policy().ReadFile(path, LargestFile)
	switch {
	case errors.Is(err, syscall.EISDIR):
		return nil, discard(r, setup.CodeIsDir, path, path+" is a directory, and has to be a file")
	case errors.Is(err, fs.ErrNotExist) && filepath.Base(path) == RecordFile:
		return nil, discard(r, setup.CodeBroken, path, path+" is missing")
	case trust.Unsafe(err) == nil && err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission):
		return nil, discard(r, setup.CodeBroken, path, "journal: "+err.Error())
	case err != nil:
		return nil, AsFinding(err)
	}
	j := &Journal{}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, discard(r, setup.CodeBroken, path, fmt.Sprintf("%s is damaged: %v", path, err))
	}
	if j.Version > JournalVersion {
		return nil, fmt.Errorf("read journal %s: a newer version of packhouse wrote it", path)
	}
	if err := j.decode(r); err != nil {
		if !errors.Is(err, errForeign) {
			return nil, fmt.Errorf("read journal %s: %w", path, err)
		}
		return nil, discard(r, CodeForeignPath, path, path+": "+err.Error())
	}
	return j, nil
}

// discard returns the error about a journal or a backup manifest that cannot be used. Its remedy moves
// away the directory that the file belongs to, and names the command that continues without it.
func discard(r Roots, code, path, what string) error {
	change, dir, command := "the unfinished change", filepath.Join(r.Dir, WorkDir), writeAgain
	if filepath.Base(path) == RecordFile {
		change, dir, command = "the backup", filepath.Dir(path), "packhouse rollback --dry-run"
	}
	return setup.Refusal(code, what, "to discard "+change+", "+trust.MoveAway(dir)+", then run "+command)
}

// decode makes the paths of a journal absolute, and returns an error that wraps errForeign if one
// of them is not part of the installation.
func (j *Journal) decode(r Roots) (err error) {
	for i, text := range j.Made {
		if j.Made[i], err = r.Decode(text, true); err != nil {
			return err
		}
	}
	for i := range j.Steps {
		if err := j.Steps[i].decode(r, j.Users); err != nil {
			return err
		}
	}
	return nil
}

func (s *Step) decode(r Roots, users []int) error {
	path, err := r.Decode(s.Path, s.Mode.IsDir() && !s.Existed)
	if err != nil {
		return err
	}
	if s.Mode&^(fs.ModeDir|fs.ModePerm) != 0 {
		return fmt.Errorf("%s: the mode %v is not a permission", s.Path, s.Mode)
	}
	if err := s.Resolve(path, Places{Users: users}); err != nil {
		return err
	}
	staged := filepath.Base(s.Staged)
	switch {
	case s.Staged == "":
	case s.Staged == besideTarget, strings.HasSuffix(staged, StagedSuffix):
		s.Staged = Beside(s.Path)
	case number().MatchString(staged):
		s.Staged = filepath.Join(r.Dir, WorkDir, NewDir, staged)
	default:
		return fmt.Errorf("%s: %w", s.Staged, errForeign)
	}
	if s.Old != "" {
		if s.Old = filepath.Base(s.Old); !number().MatchString(s.Old) {
			return fmt.Errorf("%s: %w", s.Old, errForeign)
		}
		s.Old = filepath.Join(r.Dir, WorkDir, OldDir, s.Old)
	}
	return nil
}
