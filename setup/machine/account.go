package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"

	"packhouse/setup"
)

// Systemd reports whether systemd runs this machine, as sd_booted(3) does.
func (m *Machine) Systemd() bool {
	_, err := m.Host.ReadFile("/run/systemd/system")
	return !errors.Is(err, fs.ErrNotExist)
}

// OwnProgram returns the path of this program for use in a unit.
func (m *Machine) OwnProgram() (string, error) {
	if m.Program != "" {
		return m.Program, nil
	}
	return OwnProgram()
}

// OwnProgram returns the path of this program, without symbolic links.
func OwnProgram() (string, error) {
	program, err := os.Executable()
	if err == nil {
		program, err = filepath.EvalSymlinks(program)
	}
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return program, nil
}

// PendingID is the ID of a user and a group that [apply.Apply] creates first.
const PendingID = -2

// Account is the user that runs the server.
type Account struct {
	Name, Group string
	UID, GID    int
	Groups      []int // all groups of the user
}

// FindAccount looks up a user. A user with the program's own name may be missing: [apply.Apply] creates
// it.
func FindAccount(name string) (Account, error) {
	u, err := user.Lookup(name)
	if errors.As(err, new(user.UnknownUserError)) && name == setup.OwnName {
		return Account{Name: name, Group: name, UID: PendingID, GID: PendingID}, nil
	}
	if err != nil {
		return Account{}, err
	}
	a := Account{Name: name, Group: u.Gid}
	if a.UID, err = strconv.Atoi(u.Uid); err != nil {
		return Account{}, err
	}
	if a.GID, err = strconv.Atoi(u.Gid); err != nil {
		return Account{}, err
	}
	if g, err := user.LookupGroupId(u.Gid); err == nil {
		a.Group = g.Name
	}
	ids, err := u.GroupIds()
	if err != nil {
		ids = []string{u.Gid}
	}
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			a.Groups = append(a.Groups, gid)
		}
	}
	return a, nil
}

// Permission bits of one class of users (owner, group or others).
const (
	ToRead fs.FileMode = 0o4
	ToPass fs.FileMode = 0o1 // search a directory, or execute a program
)

// Stopped returns the path that denies a user access to a file: the file itself or a directory
// above it, or "". A missing path is not an obstacle: setup creates it.
func (a Account) Stopped(path string, right fs.FileMode) string {
	obstacle := a.stoppedAt(path, right)
	if target, err := filepath.EvalSymlinks(path); err == nil && obstacle == "" && target != path {
		obstacle = a.stoppedAt(target, right)
	}
	if obstacle != "" && right != 0 && a.Tries(path, right) {
		return "" // an ACL overrides the mode
	}
	return obstacle
}

func (a Account) stoppedAt(path string, right fs.FileMode) string {
	path = filepath.Clean(path)
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !a.may(info, ToPass) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	if info, err := os.Stat(path); err == nil && right != 0 && !a.may(info, right) {
		return path
	}
	return ""
}

// may reports whether the mode of a file grants a user a permission.
func (a Account) may(info fs.FileInfo, right fs.FileMode) bool {
	uid, gid := Owner(info)
	switch perm := info.Mode().Perm(); {
	case a.UID == 0:
		return true
	case uid == a.UID:
		return perm>>6&right != 0
	case slices.Contains(a.Groups, gid):
		return perm>>3&right != 0
	default:
		return perm&right != 0
	}
}
