package trust

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// OpenParent opens the directory of path as [Policy.OpenDir] does, and returns it with the last component of path.
func (p Policy) OpenParent(path string) (dir *Dir, base string, err error) {
	dir, err = p.OpenDir(filepath.Dir(path))
	return dir, filepath.Base(path), err
}

// Open opens a file for reading that only the users of the policy can write, together with its directories. It returns an [*Error] if other
// users can write it, or if it is a symbolic link, a device, a pipe, or a file with further hard links.
func (p Policy) Open(path string) (*os.File, error) {
	dir, base, err := p.OpenParent(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return p.openIn(dir, base)
}

// ReadFile returns the content of a file that [Policy.Open] accepts. It returns an error if the file is larger than limit bytes.
func (p Policy) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := p.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAtMost(f, limit)
}

func readAtMost(f *os.File, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: fmt.Errorf("larger than %d bytes", limit)}
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}
