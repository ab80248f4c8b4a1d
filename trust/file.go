package trust

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// OpenParent opens the directory of path as [Policy.OpenDir] does, and returns it with the last component of path.
func (p Policy) OpenParent(path string) (dir *Dir, base string, err error) {
	parent, base := split(path)
	dir, err = p.OpenDir(parent)
	return dir, base, err
}

// OpenFile opens a file for reading whose directories only the users of the policy can write. It returns an [*Error] if other users can write
// them, or if the file is a symbolic link, a device, a pipe, or has further hard links. The file itself may belong to any user.
func (p Policy) OpenFile(path string) (*os.File, error) {
	dir, base, err := p.OpenParent(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.OpenRegular(base, os.O_RDONLY, 0)
}

// OpenLinked opens a file as [Policy.OpenFile] does. The file may itself be a symbolic link that only
// root and the acting user can have made. If the link refers to a directory, a device or a pipe,
// errors name the link, so that their fix does not act on its target.
func (p Policy) OpenLinked(path string) (*os.File, error) {
	resolved, err := p.Resolve(path)
	if err != nil {
		return nil, err
	}
	f, err := p.OpenFile(resolved)
	if err == nil {
		return f, nil
	}
	link, failure := os.Lstat(path)
	if failure != nil || link.Mode()&fs.ModeSymlink == 0 {
		return nil, err
	}
	target, failure := os.Lstat(resolved)
	switch {
	case failure != nil || target.Mode().IsRegular():
		return nil, err
	case target.IsDir():
		return nil, &fs.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	}
	return nil, NewError(path, link, "it is a symbolic link to "+kindOf(target.Mode())+", not "+regularFile, removal(path))
}

// Open opens a file as [Policy.OpenFile] does, and returns an [*Error] too if other users can write the file itself.
func (p Policy) Open(path string) (*os.File, error) {
	f, err := p.OpenFile(path)
	if err != nil {
		return nil, err
	}
	if err := p.Verify(f); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile returns the content of a file that [Policy.Open] accepts. It returns an error if the file is larger than limit bytes.
func (p Policy) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := p.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAtMost(f, limit)
}

// ReadShared returns the content of a file that [Policy.OpenFile] accepts. It returns an error if the file is larger than limit bytes.
func (p Policy) ReadShared(path string, limit int64) ([]byte, error) {
	f, err := p.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAtMost(f, limit)
}

// ReadConfigured returns the content of a file that a configuration names. The file may belong to any user. ReadConfigured follows links,
// which mounted files often are, and never waits for the other end of a named pipe. It returns an [*Error] if path is not a regular file or leads through a link that
// [CheckLinks] refuses, and an error if the file is larger than limit bytes.
func ReadConfigured(path string, limit int64) ([]byte, error) {
	if err := CheckLinks(path); err != nil {
		return nil, err
	}
	f, err := openPath(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadAtMost(f, limit)
}

// MaxInput is the maximum size in bytes of a file that the caller of a command names.
const MaxInput = 4 << 20

// errNoData reports a pipe whose other end is silent.
var errNoData = errors.New("nothing was written to this pipe in time")

// inputPatience is how long ReadInput waits for the other end of a pipe.
const inputPatience = time.Minute

// ReadInput returns the content of a file that the caller of a command names,
// for example in a flag. The file may be a pipe, such as the shell's <(…);
// ReadInput waits for its other end for at most a minute. It returns an [*Error]
// if [CheckInput] refuses path, and an error if there are more than limit bytes.
func ReadInput(path string, limit int64) ([]byte, error) {
	return readInput(path, limit, inputPatience)
}

func readInput(path string, limit int64, patience time.Duration) ([]byte, error) {
	if err := CheckInput(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // chosen by the caller
	if err != nil {
		return nil, err
	}
	defer f.Close()
	end := time.Now().Add(patience)
	_ = f.SetReadDeadline(end) // regular files have no deadline
	info, err := f.Stat()
	if err == nil {
		err = verifyInput(path, info)
	}
	if err != nil {
		return nil, err
	}
	for {
		data, err := ReadAtMost(f, limit)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = &fs.PathError{Op: "read", Path: path, Err: errNoData}
		}
		if err != nil || len(data) > 0 || info.Mode()&fs.ModeNamedPipe == 0 {
			return data, err
		}
		// Nothing has opened the other end yet.
		if time.Now().After(end) {
			return nil, &fs.PathError{Op: "read", Path: path, Err: errNoData}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// ReadAtMost returns the content of an open file from its current offset. It returns an error if there are more than limit bytes.
func ReadAtMost(f *os.File, limit int64) ([]byte, error) {
	if left(f) <= limit {
		data, err := io.ReadAll(io.LimitReader(f, limit+1))
		if err != nil {
			return nil, err
		}
		if int64(len(data)) <= limit {
			return data, nil
		}
	}
	return nil, &fs.PathError{Op: "read", Path: f.Name(), Err: TooLargeError(limit)}
}

// TooLargeError reports a file with more bytes than are read, which is its value.
type TooLargeError int64

func (e TooLargeError) Error() string { return fmt.Sprintf("larger than %d bytes", int64(e)) }

// left returns the number of bytes behind the current offset of a file, as far as its size is known.
func left(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0
	}
	return info.Size() - at
}
