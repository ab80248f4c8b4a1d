package filesystem

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"packhouse/server/storage/disk"
)

// A name that a push writes may be occupied by the wrong file type: a directory instead of a file,
// or a file instead of a directory. It is moved to quarantine, so that the push succeeds. A
// symbolic link instead of a directory is an error: it is never followed, and an administrator may
// have created it on purpose.

// displace moves name to quarantine if wrong still reports true under the lock.
func (s *Store) displace(name string, wrong func(disk.Info) bool) error {
	s.displacing.Lock()
	defer s.displacing.Unlock()
	info, err := s.disk.Stat(name)
	if absent(err) || err == nil && !wrong(info) {
		return nil
	}
	if err != nil {
		return err
	}
	to := quarantineDir + "/misplaced." + strings.TrimPrefix(s.temporary(), stageDir+"/")
	if err := s.disk.Rename(name, to); err != nil {
		return fmt.Errorf("move misplaced %s: %w", name, err)
	}
	s.log.Warn("moved what is not a file or directory of the registry to quarantine", "name", name, "to", to)
	return nil
}

// clearWay makes sure that no directory occupies the name of a file.
func (s *Store) clearWay(name string) error {
	if info, err := s.disk.Stat(name); err != nil || !info.Dir {
		return nil //nolint:nilerr // the caller's next call returns it
	}
	return s.displace(name, func(i disk.Info) bool { return i.Dir })
}

// clearWayForDir makes sure that no file occupies the name of a directory.
func (s *Store) clearWayForDir(name string) error {
	if s.isLink(name) {
		return fmt.Errorf("make directory %s: %w: a symbolic link has its name; replace the link with a directory", name, fs.ErrExist)
	}
	return s.displace(name, func(i disk.Info) bool { return !i.Dir })
}

func (s *Store) isLink(name string) bool {
	found := errors.New("found")
	return errors.Is(s.disk.List(parentOf(name), func(e disk.Entry) error {
		if e.Link && e.Name == path.Base(name) {
			return found
		}
		return nil
	}), found)
}

// rename moves a staged file or directory to its place. If the wrong file type occupies that, it is
// displaced.
func (s *Store) rename(from, to string) error {
	err := s.disk.Rename(from, to)
	if err == nil {
		return nil
	}
	src, serr := s.disk.Stat(from)
	dst, derr := s.disk.Stat(to)
	if serr != nil || derr != nil || src.Dir == dst.Dir {
		return err
	}
	if src.Dir {
		derr = s.clearWayForDir(to)
	} else {
		derr = s.clearWay(to)
	}
	if derr != nil {
		return derr
	}
	return s.disk.Rename(from, to)
}

// inStage calls do, which creates something in stage, and retries it if stage itself was missing or
// misplaced.
func (s *Store) inStage(do func() error) error {
	err := do()
	if !absent(err) {
		return err
	}
	if merr := s.ensure(stageDir); merr != nil {
		return errors.Join(err, merr)
	}
	return do()
}

// create creates a staged file.
func (s *Store) create(name string) (f disk.File, err error) {
	err = s.inStage(func() error {
		f, err = s.disk.Create(name)
		return err
	})
	return f, err
}

// ensure creates a directory and its parents, without a sync.
func (s *Store) ensure(dir string) error {
	info, err := s.disk.Stat(dir)
	switch {
	case err == nil && info.Dir:
		return nil
	case err == nil:
		if err := s.clearWayForDir(dir); err != nil {
			return err
		}
	case !absent(err):
		return err
	}
	if parent := parentOf(dir); parent != "." {
		if err := s.ensure(parent); err != nil {
			return err
		}
	}
	if err := s.disk.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
