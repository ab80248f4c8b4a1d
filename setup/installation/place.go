package installation

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"packhouse/setup/machine"
	"packhouse/trust"
)

// LargestFile limits the bytes that setup reads of a file.
const LargestFile = 16 << 20

// Places reads and changes files through descriptors of their directories, so that a user who can
// write a directory cannot redirect root with a link. users are those of the server; the acting
// user and root are always trusted.
type Places struct{ Users []int }

// Policy returns the policy that decides which files may be opened.
func (p Places) Policy() trust.Policy {
	policy := trust.Self()
	policy.Users = p.Users
	return policy
}

// Read returns the content of a file. It refuses links, except those above it that only the acting
// user and root can have created.
func (p Places) Read(path string) ([]byte, error) { return p.Policy().ReadShared(path, LargestFile) }

// ReadLinked returns the content of a file that may itself be a link of the acting user or root.
func (p Places) ReadLinked(path string) ([]byte, error) {
	f, err := p.Policy().OpenLinked(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return trust.ReadAtMost(f, LargestFile)
}

// ReadNamed returns the content of a file that the configuration names, of any owner. It refuses
// files that are not regular.
func ReadNamed(path string) ([]byte, error) { return trust.ReadConfigured(path, LargestFile) }

// content is a file's data and metadata, read from one descriptor.
type content struct {
	Data       []byte
	Info       fs.FileInfo
	Attributes trust.Attributes
	Dropped    []string // names of attributes that depend on the content
}

// Metadata is the metadata of a file. The zero value is not useful: uid 0 is root.
type Metadata struct {
	mode       fs.FileMode
	uid, gid   int              // negative: the system default
	attributes trust.Attributes // nil: the system default
}

// OwnerOnly is the metadata of files that only the acting user can read.
var OwnerOnly = Metadata{mode: 0o600, uid: -1, gid: -1}

// Load reads a file, which may itself be a link of the acting user or root. The data of an empty
// file is not nil.
func (p Places) Load(path string) (content, error) {
	f, err := p.Policy().OpenLinked(path)
	if err != nil {
		return content{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return content{}, err
	}
	data, err := trust.ReadAtMost(f, LargestFile)
	if err != nil {
		return content{}, err
	}
	attributes, dropped, err := trust.ReadAttributes(f)
	if err != nil {
		return content{}, err
	}
	return content{data, info, attributes, dropped}, nil
}

// Within calls do with the open directory of path and the last component of path.
func (p Places) Within(path string, do func(dir *trust.Dir, base string) error) error {
	dir, base, err := p.Policy().OpenParent(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return do(dir, base)
}

// WriteNew creates a file with its metadata, and returns when it is on disk.
func (p Places) WriteNew(path string, data []byte, meta Metadata) error {
	return p.Within(path, func(dir *trust.Dir, base string) error {
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
	if haveUID, haveGID := machine.Owner(info); haveUID == uid && haveGID == gid {
		return nil
	}
	return f.Chown(uid, gid)
}

// Rename moves a file, and returns when the move is on disk.
func (p Places) Rename(from, to string) error {
	return p.Within(from, func(fromDir *trust.Dir, fromBase string) error {
		return p.Within(to, func(toDir *trust.Dir, toBase string) error {
			if err := fromDir.Rename(fromBase, toDir, toBase); err != nil {
				return err
			}
			if err := SyncDir(toDir); err != nil {
				return err
			}
			return SyncDir(fromDir)
		})
	})
}

// Remove removes a file or an empty directory.
func (p Places) Remove(path string) error {
	return p.Within(path, func(dir *trust.Dir, base string) error { return dir.Remove(base) })
}

// RemoveAll removes a tree. It removes links and does not follow them. A missing tree is not an
// error.
func (p Places) RemoveAll(path string) error {
	err := p.Within(path, func(dir *trust.Dir, base string) error { return dir.RemoveAll(base) })
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Mkdir creates a directory.
func (p Places) Mkdir(path string, mode fs.FileMode) error {
	return p.Within(path, func(dir *trust.Dir, base string) error { return dir.Mkdir(base, mode) })
}

// MkdirAll creates a directory and its missing parents. All users can traverse the new ones.
func (p Places) MkdirAll(path string) error {
	var missing []string
	for at := path; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	for _, at := range slices.Backward(missing) {
		if err := p.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// Own sets the mode and owner of a directory.
func (p Places) Own(path string, mode fs.FileMode, uid, gid int) error {
	d, err := p.Policy().OpenToOwn(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Chmod(mode); err != nil {
		return err
	}
	return setOwner(d, uid, gid)
}

// Sync makes renames and removals in directories durable. It skips directories that do not exist.
func (p Places) Sync(paths ...string) error {
	for _, path := range slices.Compact(paths) {
		dir, err := p.Policy().OpenDir(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		err = SyncDir(dir)
		_ = dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// SyncDir makes the entries of a directory durable, if the file system supports that.
func SyncDir(dir *trust.Dir) error {
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
