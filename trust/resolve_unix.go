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
	lost  error    // a component that does not exist, or is no directory, is followed by ".."
}

func (at place) path() string { return filepath.Join(append([]string{at.dir}, at.rest...)...) }

// walk is the state of resolve.
type walk struct {
	policy  Policy
	at      place
	current string // free of links and of ".."
	isDir   bool   // current is a directory
	links   int
	closed  bool // the path led through a place that an allowed user can change: no further link is followed
}

// Roles of the last component of a path.
const (
	asParent = iota // like any directory above: the sticky bit excuses write permissions
	asTarget        // the sticky bit does not excuse it
	asTaken         // any user may own or write it, since its owner and mode are about to change
)

// resolve follows path from the root, as the kernel does: it follows a link where it comes to it, and
// ".." leads to the parent of the directory that it has reached, not to the text before it. Role says
// what is asked of the last component.
func (p Policy) resolve(path string, role int) (place, error) {
	at, err := p.follow(path, role)
	if err == nil && at.fault == nil && at.lost != nil {
		err = at.lost
	}
	if err != nil {
		return place{}, fmt.Errorf("resolve %s: %w", path, err)
	}
	return at, nil
}

// follow is resolve for paths that may contain ".." after a component that does not exist. It
// resolves such paths by their text, and sets lost.
func (p Policy) follow(path string, role int) (place, error) {
	path, err := whole(path)
	if err != nil {
		return place{}, err
	}
	w := &walk{policy: p, current: "/", at: place{dir: "/"}}
	if err := w.enter("/", asParent); err != nil {
		return place{}, err
	}
	remaining := components(path)
	for len(remaining) > 0 && w.at.fault == nil {
		name := remaining[0]
		remaining = remaining[1:]
		last := asParent
		if len(remaining) == 0 {
			last = role
		}
		if name == ".." {
			if !w.isDir {
				w.end(append([]string{name}, remaining...), &fs.PathError{Op: "open", Path: w.current, Err: syscall.ENOTDIR})
				return w.at, nil
			}
			if err := w.leave(last); err != nil {
				return place{}, err
			}
			continue
		}
		next := filepath.Join(w.current, name)
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOTDIR):
			w.end(append([]string{name}, remaining...), err)
			return w.at, nil
		case err != nil:
			return place{}, err
		case info.Mode()&fs.ModeSymlink != 0:
			if remaining, err = w.link(next, info, remaining); err != nil {
				return place{}, err
			}
			if len(remaining) == 0 && w.at.fault == nil { // to the directory of the link, or to the root
				err = w.enter(w.current, role)
			}
			if err != nil {
				return place{}, err
			}
			continue
		}
		w.visit(next, info, last)
	}
	w.end(remaining, nil)
	return w.at, nil
}

// whole returns path as an absolute path. It keeps "..", and takes the working directory from the
// kernel, not from $PWD, which may lead through links.
func whole(path string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	dir, err := syscall.Getwd()
	return dir + "/" + path, err
}

// components returns the parts of a path without "." and empty ones.
func components(path string) []string {
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	return slices.DeleteFunc(parts, func(part string) bool { return part == "." })
}

// end sets what follows at.dir: the way to current, and the components that were not visited. lost is
// why they were not.
func (w *walk) end(remaining []string, lost error) {
	if slices.Contains(remaining, "..") {
		w.at.lost = lost
	}
	to := filepath.Join(append([]string{w.current}, remaining...)...)
	for !within(to, w.at.dir) {
		w.at.dir = filepath.Dir(w.at.dir)
	}
	w.at.rest = components(strings.TrimPrefix(to, w.at.dir))
}

// within reports whether path is dir or below it. Both are absolute and clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// leave continues in the parent of the current directory.
func (w *walk) leave(role int) error {
	parent := filepath.Dir(w.current)
	if !within(parent, w.at.dir) {
		w.at.dir = parent
	}
	return w.enter(parent, role)
}

// enter visits a directory by its path.
func (w *walk) enter(path string, role int) error {
	info, err := os.Lstat(path)
	if err == nil {
		w.visit(path, info, role)
	}
	return err
}

// visit continues at one component that is not a link, and checks it.
func (w *walk) visit(path string, info fs.FileInfo, role int) {
	w.current, w.isDir = path, info.IsDir()
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0 && role == asParent
	fault := w.policy.fault(path, info, sticky)
	if role != asTaken {
		w.at.fault = fault
	}
	own := Policy{UID: w.policy.UID}
	switch {
	case !w.closed && info.IsDir() && own.fault(path, info, sticky) == nil:
		w.at.dir = path
	case path != "/":
		w.closed = true
	}
}

// link replaces a symbolic link by its target. A link that an untrusted user may have made is a fault.
func (w *walk) link(path string, info fs.FileInfo, remaining []string) ([]string, error) {
	uid, _ := owners(info)
	own := uid == 0 || uid == w.policy.UID
	if !own && allCanWrite(w.current) {
		w.at.fault = NewError(path, info,
			"it is a symbolic link that another user made in a directory that all users can write",
			removal(path))
		w.at.fault.Planted = true
		return remaining, nil
	}
	if w.closed || !own && !w.policy.AnyOwner {
		reason := "it is a symbolic link of another user"
		if own {
			reason = "it is a symbolic link in a directory that another user can write"
		}
		w.at.fault = NewError(path, info, reason, removal(path))
		w.at.fault.Foreign = !own
		return remaining, nil
	}
	if w.links++; w.links > mostLinks {
		return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
	}
	target, err := os.Readlink(path)
	if err != nil {
		return nil, err
	}
	if filepath.IsAbs(target) {
		w.current, w.at.dir, w.isDir = "/", "/", true
	}
	return append(components(target), remaining...), nil
}

// Abs returns path as an absolute path without "..". If path contains "..", Abs follows the links before
// it, as the kernel does, unless another user can have made them; then it returns an [*Error]. Use it
// instead of [filepath.Abs], which takes "link/../file" for "file".
func Abs(path string) (string, error) {
	given, err := whole(path)
	if err != nil || !strings.Contains(path, "..") {
		return filepath.Abs(path)
	}
	parts := strings.Split(given, "/")
	n := 0
	for i, part := range parts {
		if part == ".." {
			n = i + 1
		}
	}
	if n == 0 {
		return filepath.Abs(path)
	}
	at, err := onlyLinks().follow("/"+strings.Join(parts[:n], "/"), asTaken)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", path, err)
	}
	if at.fault != nil {
		return "", at.fault
	}
	if at.lost != nil && !errors.Is(at.lost, fs.ErrNotExist) {
		return "", fmt.Errorf("resolve %s: %w", path, at.lost)
	}
	return filepath.Join(append([]string{at.path()}, parts[n:]...)...), nil
}

// split returns the directory and the last component of a path, as the kernel takes them apart.
func split(path string) (dir, base string) {
	path = strings.TrimRight(path, "/")
	at := strings.LastIndexByte(path, '/')
	switch base = path[at+1:]; {
	case at < 0:
		return ".", base
	case at == 0:
		return "/", base
	}
	return path[:at], base
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
	case slices.Contains(p.Groups, gid) && !hasACL(path):
		return nil
	case !privateGroup(gid, p.UID) || hasACL(path):
		return NewError(path, info, writers(path, gid), fixMode("g", path, info))
	}
	return nil
}

// writers names who can write a path through its group permissions, which limit its access control
// list too.
func writers(path string, gid int) string {
	for _, g := range Grants(path) {
		if g.Write {
			return "its access control list lets " + g.Name() + " write it"
		}
	}
	return "its group " + groupName(gid) + " can write it"
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
