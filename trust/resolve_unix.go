//go:build unix

package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"packhouse/printable"
)

// mostLinks bounds the symbolic links in one path, as the kernel does.
const mostLinks = 40

// Self returns the policy of the effective user.
func Self() Policy { return Policy{UID: os.Geteuid()} }

// place is a resolved path. Directory dir and all above it can be changed by root and the acting user only, so it is safe to open by name.
// The rest of the path must be opened without following links.
type place struct {
	dir   string
	rest  []string // below dir; empty: the path is dir
	fault *Error   // nil: everything is allowed by the policy
	none  bool     // the path does not exist
}

func (at place) path() string { return filepath.Join(append([]string{at.dir}, at.rest...)...) }

// walk is the state of resolve.
type walk struct {
	policy  Policy
	at      place
	current string
	links   int
	closed  bool // current can be changed by an allowed user: no further link is followed
}

// Roles of the last component of a path.
const (
	asParent = iota // like any directory above: the sticky bit excuses write permissions
	asTarget        // the sticky bit does not excuse it
	asTaken         // any user may own or write it, since its owner and mode are about to change
)

// resolve follows path from the root. Role says what is asked of its last component.
func (p Policy) resolve(path string, role int) (place, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return place{}, fmt.Errorf("resolve %s: %w", path, err)
	}
	w := &walk{policy: p, current: "/", at: place{dir: "/"}}
	info, err := os.Lstat("/")
	if err != nil {
		return place{}, fmt.Errorf("resolve %s: %w", path, err)
	}
	w.enter("/", info, asParent)
	remaining := components(path)
	for len(remaining) > 0 && w.at.fault == nil {
		name := remaining[0]
		remaining = remaining[1:]
		next := filepath.Join(w.current, name)
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
			w.at.none = true
			w.remain(append([]string{name}, remaining...))
			return w.at, nil
		case err != nil:
			return place{}, fmt.Errorf("resolve %s: %w", path, err)
		case info.Mode()&fs.ModeSymlink != 0:
			if remaining, err = w.follow(next, info, remaining); err != nil {
				return place{}, fmt.Errorf("resolve %s: %w", path, err)
			}
			continue
		}
		w.current = next
		if len(remaining) > 0 {
			w.enter(next, info, asParent)
		} else {
			w.enter(next, info, role)
		}
	}
	w.remain(remaining)
	return w.at, nil
}

func components(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// remain appends the components that were not visited.
func (w *walk) remain(remaining []string) { w.at.rest = append(w.at.rest, remaining...) }

// enter checks one component that is not a link.
func (w *walk) enter(path string, info fs.FileInfo, role int) {
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0 && role == asParent
	fault := w.policy.fault(path, info, sticky)
	if role != asTaken {
		w.at.fault = fault
	}
	own := Policy{UID: w.policy.UID}
	if !w.closed && info.IsDir() && own.fault(path, info, sticky) == nil {
		w.at.dir = path
		return
	}
	if path != "/" {
		w.closed = true
		w.at.rest = append(w.at.rest, filepath.Base(path))
	}
}

// follow replaces a symbolic link by its target. A link that an untrusted user may have made is a fault.
func (w *walk) follow(path string, info fs.FileInfo, remaining []string) ([]string, error) {
	uid, _ := owners(info)
	own := uid == 0 || uid == w.policy.UID
	if !own && allCanWrite(w.current) {
		w.at.fault = NewError(path, info,
			"it is a symbolic link that another user made in a directory that all users can write",
			removal(path))
		w.at.fault.Planted = true
		w.at.rest = append(w.at.rest, filepath.Base(path))
		return remaining, nil
	}
	if w.closed || !own && !w.policy.AnyOwner {
		reason := "it is a symbolic link of another user"
		if own {
			reason = "it is a symbolic link in a directory that another user can write"
		}
		w.at.fault = NewError(path, info, reason, removal(path))
		w.at.fault.Foreign = !own
		w.at.rest = append(w.at.rest, filepath.Base(path))
		return remaining, nil
	}
	if w.links++; w.links > mostLinks {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
	}
	target, err := os.Readlink(path)
	if err != nil {
		return nil, err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(w.current, target)
	}
	w.current, w.at.dir = "/", "/"
	return append(components(filepath.Clean(target)), remaining...), nil
}

// allCanWrite reports whether all users can make links in a directory.
func allCanWrite(dir string) bool {
	info, err := os.Lstat(dir)
	return err == nil && info.Mode().Perm()&0o002 != 0
}

// owners returns the user and group of a file.
func owners(info fs.FileInfo) (uid, gid int) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), int(st.Gid)
	}
	return -1, -1
}

// fault checks the owner and the permissions of one file or directory.
func (p Policy) fault(path string, info fs.FileInfo, sticky bool) *Error {
	uid, gid := owners(info)
	switch mode := info.Mode(); {
	case uid != 0 && uid != p.UID && !p.AnyOwner && !slices.Contains(p.Users, uid):
		fault := NewError(path, info, "it belongs to another user",
			"run the command as the user that owns it, or use a directory of your own")
		if p.UID == 0 {
			fault.Fix, fault.owned = fixOwner(path, mode, "root"), true
		}
		fault.Foreign = true
		return fault
	case mode.Perm()&0o022 == 0 || sticky || p.anyMode, mode&fs.ModeDevice != 0: // writing to a device does not change it
		return nil
	case mode.Perm()&0o002 != 0:
		return NewError(path, info, "all users can write it", fixMode("o", path, info))
	case slices.Contains(p.Groups, gid):
		return nil
	case !privateGroup(gid, p.UID) || hasACL(path):
		return NewError(path, info, "its group "+groupName(gid)+" can write it", fixMode("g", path, info))
	}
	return nil
}

// fixMode returns what takes the write permission of who, "g" or "o", from a path.
func fixMode(who, path string, info fs.FileInfo) string {
	command := "chmod " + who + "-w " + printable.Shell(path)
	if info.IsDir() {
		return command
	}
	return "look at it first, because others may have changed it, then run " + command
}

// NewError returns an error about the file info at path.
func NewError(path string, info fs.FileInfo, reason, fix string) *Error {
	uid, _ := owners(info)
	return &Error{Path: path, Owner: UserName(uid), Mode: info.Mode(), Reason: reason, Fix: fix}
}
