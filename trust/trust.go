// Package trust decides whether a path can be changed by a user who must not change it, and opens files below directories of such users
// without following links that they plant there.
//
// The rules are those of sshd's StrictModes: a path is safe if only root, the acting user and the users that a [Policy] allows can write
// it or any directory above it. Symbolic links are resolved component by component, and the directories of their targets count too.
//
// On systems without Unix owners every path is safe.
package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"packhouse/printable"
)

// Policy names the users who may write a path. The zero value allows root alone; see [Self].
type Policy struct {
	// UID is the acting user. Its primary group may write too if it has no other member.
	UID int
	// Users are further accepted owners: the user of the server, for the files that the server reads. Symbolic links in directories that
	// they can write are refused.
	Users []int
	// Groups may write. Symbolic links in directories that they can write are refused.
	Groups []int
	// AnyOwner accepts files and directories of any owner, and reports only write permissions of groups and others. It is for bind mounts.
	// Symbolic links of other users in sticky directories that all users can write are still refused.
	AnyOwner bool

	anyMode bool // write permissions are not checked
}

// Error reports that a user who must not be able to change a path can change it, or that the path is not what it must be.
type Error struct {
	Path   string      // the file, or the directory above it, that is unsafe
	Owner  string      // "mallory (uid 1000)"
	Mode   fs.FileMode // as in [fs.FileInfo]
	Reason string      // "it belongs to another user"
	Fix    string      // a command, or an imperative sentence

	// Otherwise is what Fix says for the case that Owner does not run the server. Empty: Fix makes no
	// such distinction.
	Otherwise string

	Foreign bool // a user that the policy does not allow owns Path, regardless of its mode
	Planted bool // Path is a symbolic link that another user made in a directory that all users can write, such as /tmp

	owned bool // Fix changes the owner of Path
}

// Error returns the path, the reason, the owner and the mode. It does not include the fix.
func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (owner %s, mode %04o)", e.Path, e.Reason, e.Owner, permissions(e.Mode))
}

// Permissions returns the mode as chmod takes it, with the set-ID and sticky bits.
func (e *Error) Permissions() uint32 { return permissions(e.Mode) }

// ForServer returns e with a fix for a path that belongs to a server's installation or storage. users
// are the IDs of the users that the server runs as, as far as they are known: the path needs the first
// one as its owner. Without them the owner of the path may be one.
func (e *Error) ForServer(users ...int) *Error {
	if !e.owned || os.Geteuid() != 0 {
		return e
	}
	fixed := *e
	if len(users) > 0 {
		fixed.Fix = fixOwner(e.Path, e.Mode, accountName(users[0]))
	} else {
		return e.IfServer(e.Fix)
	}
	return &fixed
}

// IfServer returns e with a fix for a path of a user who may run the server. otherwise is the fix if
// that user does not.
func (e *Error) IfServer(otherwise string) *Error {
	fixed := *e
	fixed.Otherwise = otherwise
	fixed.Fix = fmt.Sprintf("if %s runs your server, run the command as that user; if not, %s", e.Owner, otherwise)
	return &fixed
}

// Unsafe returns the [Error] in the tree of err, or nil.
func Unsafe(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}

// fixOwner returns what makes a path of another user usable for a server of the user to.
func fixOwner(path string, mode fs.FileMode, to string) string {
	quoted := printable.Shell(path)
	foreign := "remove it with rm " + quoted
	if mode.IsDir() {
		foreign = "use another directory"
	}
	command := "chown " + to + ": " + quoted
	if mode.Perm()&0o022 != 0 {
		command += " && chmod go-w " + quoted
	}
	if mode.IsDir() {
		command += "; its content keeps its owners, and a server of another user cannot use it then"
	}
	return "look at it first: if it is not yours, " + foreign + ", otherwise run " + command
}

// permissions returns the mode as chmod takes it, with the set-ID and sticky bits.
func permissions(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	for flag, bit := range map[fs.FileMode]uint32{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if mode&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

// Check returns an [*Error] if a user that the policy does not allow can write path or a directory above it, up to the root. Sticky
// directories that all users can write, such as /tmp, are accepted above path, but not as path. Paths that do not exist, or that the acting
// user cannot see, are not reported.
func (p Policy) Check(path string) error {
	at, err := p.resolve(path, asTarget)
	if err != nil {
		return err
	}
	if at.fault != nil {
		return at.fault
	}
	return nil
}

// CheckLinks returns an [*Error] if path leads through a symbolic link that another user made in a directory that all users can write.
// Owners and modes do not count.
func CheckLinks(path string) error {
	if fault := Unsafe(onlyLinks().Check(path)); fault != nil && fault.Planted {
		return fault
	}
	return nil
}

// Clean returns path without ".." after other components, as [Abs] does, so that [filepath.Dir] and
// [filepath.Join] lead where the kernel does. It returns path unchanged if it contains no such "..", or
// if Abs returns an error, which the checks of this package report too.
func Clean(path string) string {
	if !strings.Contains(path, "..") {
		return path
	}
	named := filepath.IsAbs(path)
	for part := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		switch {
		case part == ".." && named:
			absolute, err := Abs(path)
			if err != nil {
				return path
			}
			return absolute
		case part != ".." && part != "." && part != "":
			named = true
		}
	}
	return path
}

// onlyLinks returns the policy that accepts any owner and mode, but no links in directories that
// another user can write.
func onlyLinks() Policy {
	policy := Self()
	policy.AnyOwner, policy.anyMode = true, true
	return policy
}

// CheckOpened returns an [*Error] if f, which was opened at path, may be a file elsewhere, because
// path leads through a link that another user can have made.
func CheckOpened(path string, f *os.File) error {
	resolved, err := onlyLinks().Resolve(path)
	if err != nil {
		return err
	}
	opened, err := f.Stat()
	if err != nil {
		return err
	}
	info, err := os.Lstat(resolved)
	if err != nil {
		return err
	}
	if !os.SameFile(opened, info) {
		return NewError(path, info, "it was replaced while it was read", "run the command again")
	}
	return nil
}

// Lstat returns what is at path: the link itself if it is one. It returns an [*Error] if another user
// can have made path refer to a file elsewhere, with a link above it or as a further hard link.
func Lstat(path string) (fs.FileInfo, error) {
	parent, base := split(path)
	dir, err := onlyLinks().Resolve(parent)
	if err != nil {
		return nil, err
	}
	info, err := os.Lstat(filepath.Join(dir, base))
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && hardLinks(info) > 1 {
		return nil, hardLinked(path, info)
	}
	return info, nil
}
