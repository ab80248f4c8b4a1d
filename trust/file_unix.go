//go:build unix

package trust

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Verify returns an [*Error] if an open file is not a regular file with a single name that only the users of the policy can write. It does
// not check the directories above it.
func (p Policy) Verify(f *os.File) error {
	if err := verifyKind(f); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if fault := p.fault(f.Name(), info, false); fault != nil {
		return fault
	}
	return nil
}

func hardLinks(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // its type depends on the system
	}
	return 1
}

// OpenLog opens a regular file for appending, and makes it if it does not exist. It never waits for the other end of a named pipe. A
// symbolic link in its place is followed only if no other user can have made it. For root it returns an [*Error] if the file, or a
// directory above it, belongs to another user, and opens the file that was checked, without following links.
func OpenLog(path string, mode fs.FileMode) (*os.File, error) {
	if err := CheckLog(path); err != nil {
		return nil, err
	}
	flags := os.O_WRONLY | os.O_APPEND | os.O_CREATE | syscall.O_NONBLOCK
	if os.Geteuid() == 0 {
		return openChecked(path, logPolicy(), flags, mode)
	}
	if dir, _ := split(path); Unsafe(Self().Check(dir)) != nil {
		flags |= syscall.O_NOFOLLOW
	}
	f, err := os.OpenFile(path, flags, mode)
	return regular(path, f, err)
}

// Inherit gives a file to the owner and group of the directory that it was made in, if root made it in
// a directory of another user. f must have been opened with os.O_EXCL. It ignores errors: some file
// systems have no owners.
func Inherit(f *os.File, dir fs.FileInfo) {
	if uid, gid := owners(dir); os.Geteuid() == 0 && uid > 0 {
		_ = f.Chown(uid, gid)
	}
}

// openChecked opens a regular file that a policy accepts. It follows the links in path while it checks
// them, and none when it opens the file.
func openChecked(path string, policy Policy, flags int, mode fs.FileMode) (*os.File, error) {
	resolved, err := policy.Resolve(path)
	if err != nil {
		return nil, err
	}
	dir, base, err := policy.OpenParent(resolved)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := dir.Open(base, flags, mode)
	return regular(resolved, f, err)
}

// logPolicy returns the policy for files that root appends to. users are accepted owners.
func logPolicy(users ...int) Policy { return Policy{Users: users, anyMode: true} }

// CheckLog returns an [*Error] if root must not log to a path: the file, or a directory above it, belongs to another user. Users are
// accepted owners.
func CheckLog(path string, users ...int) error {
	if os.Geteuid() != 0 {
		return CheckLinks(path)
	}
	return logPolicy(users...).Check(path)
}

// Caller returns the policy for files that the user who runs a command names. Root accepts files of
// the user who runs sudo too.
func Caller() Policy {
	policy := Self()
	uid, err := strconv.Atoi(os.Getenv("SUDO_UID"))
	if err != nil || uid <= 0 || policy.UID != 0 {
		return policy
	}
	policy.Users = []int{uid}
	if gid, err := strconv.Atoi(os.Getenv("SUDO_GID")); err == nil && onlyMember(gid, accountName(uid), uid) {
		policy.Groups = []int{gid}
	}
	return policy
}

// CheckInput returns an [*Error] if root must not read a path that the caller of a command names:
// a user other than those of [Caller] can write the file or replace it. Devices, and descriptors
// that the caller passed, such as /dev/stdin, are accepted. users are further accepted owners, as in
// [Policy]. Callers other than root get what [CheckLinks] returns.
func CheckInput(path string, users ...int) error {
	if os.Geteuid() != 0 {
		return CheckLinks(path)
	}
	if passed(path) {
		return nil
	}
	policy := Caller()
	policy.Users = append(policy.Users, users...)
	err := policy.Check(path)
	if fault := Unsafe(err); fault != nil && fault.Mode&fs.ModeDevice != 0 {
		return nil
	}
	return err
}

// verifyInput is CheckInput for the file that was opened at path.
func verifyInput(path string, info fs.FileInfo) error {
	if os.Geteuid() != 0 || passed(path) || info.Mode()&fs.ModeDevice != 0 {
		return nil
	}
	if fault := Caller().fault(path, info, false); fault != nil {
		return fault
	}
	return nil
}

// passed reports whether a path is that of a descriptor that this process inherited.
func passed(path string) bool {
	dir, _ := split(path)
	return path == "/dev/stdin" || slices.Contains([]string{"/dev/fd", "/proc/self/fd"}, dir)
}

// openPath opens a file for reading and follows links, without waiting for the other end of a named pipe.
func openPath(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	return regular(path, f, err)
}

// regular closes an opened file that is not a regular one, and returns an [*Error].
func regular(path string, f *os.File, err error) (*os.File, error) {
	if err != nil {
		if info, e := os.Stat(path); e == nil && errors.Is(err, unix.ENXIO) {
			return nil, wrongKind(path, info, regularFile)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = wrongKind(path, info, regularFile)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
