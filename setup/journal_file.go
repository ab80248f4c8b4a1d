package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"packhouse/finding"
	"packhouse/pattern"
)

// journalVersion is the version of the format of journals and backup manifests. Version 1 used
// absolute paths.
const journalVersion = 2

// besideTarget is the value of step.Staged for content that is staged in the directory of its
// target file.
const besideTarget = "beside"

// number matches the names of files in the working directory.
var number = pattern.Lazy(`^[a-z]*-?[0-9]{1,6}$`)

// encode returns a copy of the journal for writing, with paths relative to the roots of the
// installation.
func (j *journal) encode(r roots) (*journal, error) {
	out := *j
	out.Version, out.Made, out.Steps = journalVersion, nil, nil
	for _, path := range j.Made {
		text, err := r.encode(path)
		if err != nil {
			return nil, err
		}
		out.Made = append(out.Made, text)
	}
	for _, s := range j.Steps {
		if s.Staged != "" {
			if below(s.Staged, r.dir) && filepath.Base(filepath.Dir(s.Staged)) == newDir {
				s.Staged = filepath.Base(s.Staged)
			} else {
				s.Staged = besideTarget
			}
		}
		if s.Old != "" {
			s.Old = filepath.Base(s.Old)
		}
		var err error
		if s.Path, err = r.encode(s.planned()); err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, s)
	}
	return &out, nil
}

// readJournal reads the journal of a run, or the manifest of a backup, of the installation with
// these roots.
func readJournal(r roots, path string) (*journal, error) {
	data, err := (places{}).policy().ReadFile(path, largestFile)
	if err != nil {
		return nil, refuseUnsafe(err)
	}
	j := &journal{}
	if err := json.Unmarshal(data, j); err != nil {
		return nil, fmt.Errorf("read journal %s: %w", path, err)
	}
	if j.Version > journalVersion {
		return nil, fmt.Errorf("read journal %s: a newer version of packhouse wrote it", path)
	}
	if err := j.decode(r); err != nil {
		if !errors.Is(err, errForeign) {
			return nil, fmt.Errorf("read journal %s: %w", path, err)
		}
		remedy := "inspect the file; to discard the unfinished change, remove " + Shell(filepath.Join(r.dir, workDir))
		if filepath.Base(path) == recordFile {
			remedy = "inspect the file; to discard the backup, remove " + Shell(filepath.Dir(path))
		}
		return nil, finding.NewError(refused(CodeForeignPath, path+": "+err.Error(), remedy))
	}
	return j, nil
}

// decode makes the paths of a journal absolute, and returns an error that wraps errForeign if one
// of them is not part of the installation.
func (j *journal) decode(r roots) (err error) {
	for i, text := range j.Made {
		if j.Made[i], err = r.decode(text, true); err != nil {
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

func (s *step) decode(r roots, users []int) error {
	path, err := r.decode(s.Path, s.Mode.IsDir() && !s.Existed)
	if err != nil {
		return err
	}
	if s.Mode&^(fs.ModeDir|fs.ModePerm) != 0 {
		return fmt.Errorf("%s: the mode %v is not a permission", s.Path, s.Mode)
	}
	if err := s.resolve(path, places{users: users}); err != nil {
		return err
	}
	staged := filepath.Base(s.Staged)
	switch {
	case s.Staged == "":
	case s.Staged == besideTarget, strings.HasSuffix(staged, stagedSuffix):
		s.Staged = beside(s.Path)
	case number().MatchString(staged):
		s.Staged = filepath.Join(r.dir, workDir, newDir, staged)
	default:
		return fmt.Errorf("%s: %w", s.Staged, errForeign)
	}
	if s.Old != "" {
		if s.Old = filepath.Base(s.Old); !number().MatchString(s.Old) {
			return fmt.Errorf("%s: %w", s.Old, errForeign)
		}
		s.Old = filepath.Join(r.dir, workDir, oldDir, s.Old)
	}
	return nil
}
