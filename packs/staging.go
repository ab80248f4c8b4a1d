package packs

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"packhouse/trust"
)

// staging is a hidden folder in which a pack is prepared. Everything goes through opened folders:
// if another user owns the target folder, links that this user plants lead nowhere outside of it.
type staging struct {
	dir    string
	name   string   // of the hidden folder in dir
	parent *os.Root // dir
	hidden *os.Root
	pack   *os.Root // the folder of the pack in hidden
}

// stage creates a staging folder in dir, and dir if necessary. The caller closes it.
func stage(dir string) (*staging, error) {
	dir = trust.Clean(dir)
	s := &staging{dir: dir, name: ".packhouse-" + rand.Text()}
	var err error
	if s.parent, err = trust.MakeFolder(dir, 0o755); err == nil {
		err = s.open()
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("create folder: %w", err)
	}
	return s, nil
}

func (s *staging) open() (err error) {
	if err = s.parent.Mkdir(s.name, 0o700); err != nil {
		return err
	}
	if s.hidden, err = s.parent.OpenRoot(s.name); err != nil {
		return err
	}
	if err = s.hidden.Mkdir("pack", 0o755); err != nil {
		return err
	}
	s.pack, err = s.hidden.OpenRoot("pack")
	return err
}

// publish moves the pack to a folder of dir, which must not exist, and returns its path.
func (s *staging) publish(folder string) (string, error) {
	target := filepath.Join(s.dir, folder)
	if _, err := s.parent.Lstat(folder); !errors.Is(err, fs.ErrNotExist) {
		return "", fail(
			CodeFolder, fmt.Sprintf("folder %q already exists", target), "remove it, or name another folder",
		)
	}
	wrote, err := s.pack.Stat(".")
	if err != nil {
		return "", fmt.Errorf("move the pack to its place: %w", err)
	}
	there, err := s.parent.Lstat(path.Join(s.name, "pack"))
	if err == nil && os.SameFile(wrote, there) {
		if err := s.parent.Rename(path.Join(s.name, "pack"), folder); err != nil {
			return "", fmt.Errorf("move the pack to its place: %w", err)
		}
		there, err = s.parent.Lstat(folder)
	}
	if err != nil || !os.SameFile(wrote, there) {
		return "", fail(CodeFolder, fmt.Sprintf("another user replaced the pack while it was written to %q", target),
			"name a folder that only you can write").because(err)
	}
	return target, nil
}

// close removes what was not published.
func (s *staging) close() {
	for _, root := range []*os.Root{s.pack, s.hidden} {
		if root != nil {
			_ = root.Close()
		}
	}
	if s.parent != nil {
		_ = s.parent.RemoveAll(s.name)
		_ = s.parent.Close()
	}
}
