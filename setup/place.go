package setup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"packhouse/trust"
)

// largestFile limits the bytes that setup reads of a file.
const largestFile = 16 << 20

// places reads and changes files through descriptors of their directories, so that a user who can
// write a directory cannot redirect root with a link. users are those of the server; the acting
// user and root are always trusted.
type places struct{ users []int }

func (p places) policy() trust.Policy {
	policy := trust.Self()
	policy.Users = p.users
	return policy
}

// read returns the content of a file. It refuses links, except those above it that only the acting
// user and root can have created.
func (p places) read(path string) ([]byte, error) { return p.policy().ReadShared(path, largestFile) }

// readLinked returns the content of a file that may itself be a link of the acting user or root.
func (p places) readLinked(path string) ([]byte, error) {
	path, err := p.policy().Resolve(path)
	if err != nil {
		return nil, err
	}
	return p.read(path)
}

// readNamed returns the content of a file that the configuration names, of any owner. It refuses
// files that are not regular.
func readNamed(path string) ([]byte, error) { return trust.ReadConfigured(path, largestFile) }

// content is a file's data and metadata, read from one descriptor.
type content struct {
	data       []byte
	info       fs.FileInfo
	attributes trust.Attributes
	dropped    []string // names of attributes that depend on the content
}

// metadata is the metadata of a file. The zero value is not useful: uid 0 is root.
type metadata struct {
	mode       fs.FileMode
	uid, gid   int              // negative: the system default
	attributes trust.Attributes // nil: the system default
}

// ownerOnly is the metadata of files that only the acting user can read.
var ownerOnly = metadata{mode: 0o600, uid: -1, gid: -1}

// load reads a file, which may itself be a link of the acting user or root. The data of an empty
// file is not nil.
func (p places) load(path string) (content, error) {
	path, err := p.policy().Resolve(path)
	if err != nil {
		return content{}, err
	}
	f, err := p.policy().OpenFile(path)
	if err != nil {
		return content{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return content{}, err
	}
	data, err := trust.ReadAtMost(f, largestFile)
	if err != nil {
		return content{}, err
	}
	attributes, dropped, err := trust.ReadAttributes(f)
	if err != nil {
		return content{}, err
	}
	return content{data, info, attributes, dropped}, nil
}

// within calls do with the open directory of path and the last component of path.
func (p places) within(path string, do func(dir *trust.Dir, base string) error) error {
	dir, base, err := p.policy().OpenParent(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir, base)
}

// writeNew creates a file with its metadata, and returns when it is on disk.
func (p places) writeNew(path string, data []byte, meta metadata) error {
	return p.within(path, func(dir *trust.Dir, base string) error {
		f, err := dir.Open(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(data); err != nil {
			return err
		}
		if err := setOwner(f, meta.uid, meta.gid); err != nil {
			return err
		}
		if err := meta.attributes.Set(f); err != nil {
			return err
		}
		if err := f.Chmod(meta.mode.Perm()); err != nil { // last: the group bits are the mask of an ACL
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return f.Close()
	})
}

// setOwner changes the owner of an open file if it differs.
func setOwner(f *os.File, uid, gid int) error {
	if uid < 0 {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if haveUID, haveGID := owner(info); haveUID == uid && haveGID == gid {
		return nil
	}
	return f.Chown(uid, gid)
}

// rename moves a file, and returns when the move is on disk.
func (p places) rename(from, to string) error {
	return p.within(from, func(fromDir *trust.Dir, fromBase string) error {
		return p.within(to, func(toDir *trust.Dir, toBase string) error {
			if err := fromDir.Rename(fromBase, toDir, toBase); err != nil {
				return err
			}
			if err := syncDir(toDir); err != nil {
				return err
			}
			return syncDir(fromDir)
		})
	})
}

// remove removes a file or an empty directory.
func (p places) remove(path string) error {
	return p.within(path, func(dir *trust.Dir, base string) error { return dir.Remove(base) })
}

// removeAll removes a tree. It removes links and does not follow them. A missing tree is not an
// error.
func (p places) removeAll(path string) error {
	err := p.within(path, func(dir *trust.Dir, base string) error { return dir.RemoveAll(base) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// mkdir creates a directory.
func (p places) mkdir(path string, mode fs.FileMode) error {
	return p.within(path, func(dir *trust.Dir, base string) error { return dir.Mkdir(base, mode) })
}

// mkdirAll creates a directory and its missing parents. All users can traverse the new ones.
func (p places) mkdirAll(path string) error {
	var missing []string
	for at := path; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	for _, at := range slices.Backward(missing) {
		if err := p.mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// own sets the mode and owner of a directory.
func (p places) own(path string, mode fs.FileMode, uid, gid int) error {
	d, err := p.policy().OpenToOwn(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Chmod(mode); err != nil {
		return err
	}
	return setOwner(d, uid, gid)
}

// sync makes renames and removals in directories durable. It skips directories that do not exist.
func (p places) sync(paths ...string) error {
	for _, path := range slices.Compact(paths) {
		dir, err := p.policy().OpenDir(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = syncDir(dir)
		_ = dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the entries of a directory durable, if the file system supports that.
func syncDir(dir *trust.Dir) error {
	err := dir.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, os.ErrInvalid) {
		return nil
	}
	return err
}

// SameFile reports whether two paths refer to the same file, possibly through links.
func SameFile(a, b string) bool {
	if a == b {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
