package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"packhouse/finding"
	"packhouse/printable"
	"packhouse/server/config"
	"packhouse/spelling"
	"packhouse/trust"
)

// File is a file or directory of the installation with its requirements.
type File struct {
	Path     string
	Dir      bool     // a directory
	Optional bool     // it need not exist
	Secret   bool     // only its owner and its group may read it
	Holds    []string // keys of secrets it contains: its group may read it, other users must not
	Guarded  bool     // only its owner and root may write it
	Owner    *Account // required owner; nil: any
	Readers  []int    // users whom an access control list may let read a secret, besides the owners
	Why      string   // cause of a wrong owner: "the server runs as packhouse and could not read it"
}

// Account is a user of this machine.
type Account struct {
	Name string
	UID  int
}

// keepPasswords is how long generated passwords may stay in a file.
const keepPasswords = 7 * 24 * time.Hour

// OldPasswords returns the finding about a file that has contained generated passwords for more than
// seven days, or nil.
func OldPasswords(path string, now time.Time) *finding.Finding {
	info, err := os.Stat(path)
	if err != nil || now.Sub(info.ModTime()) <= keepPasswords {
		return nil
	}
	age := spelling.Count(int(now.Sub(info.ModTime())/(24*time.Hour)), "day")
	return &finding.Finding{
		Severity: finding.Warning, Code: "initial-passwords",
		What:   fmt.Sprintf("%s is %s old and contains generated passwords", path, age),
		Remedy: "give them to their users, then run rm " + printable.Shell(path),
	}
}

func proveFiles(_ context.Context, s *session) Result {
	if len(s.Files) == 0 {
		return notProven("no files of this installation are known")
	}
	present, owners := 0, 0
	for _, f := range s.Files {
		info, err := os.Stat(f.Path)
		if errors.Is(err, fs.ErrNotExist) && f.Optional {
			continue
		}
		if err != nil {
			return f.unseen(s, err)
		}
		if r, bad := f.fault(info); bad {
			return r
		}
		present++
		if f.Owner != nil {
			owners++
		}
	}
	if f := OldPasswords(s.Passwords, s.Now()); f != nil {
		return warning(f.Code, f.What, "its backups contain them in clear text too", f.Remedy)
	}
	if owners > 0 {
		return passed("%d present, secrets readable by their owner and group only, owners right", present)
	}
	return passed("%d present, secrets readable by their owner and group only", present)
}

// closed returns the permissions that a secret must not have: its group may read it, as with
// root:packhouse 0640, but nothing more.
func (f File) closed() fs.FileMode {
	if f.Dir {
		return 0o027
	}
	return 0o037
}

// readByGroup reports whether the required owner can read the file as a member of its group
// instead. That is not sufficient for directories, which the server writes, or for root's files.
func (f File) readByGroup(info fs.FileInfo) bool {
	if f.Dir || f.Owner.UID == 0 || info.Mode().Perm()&0o040 == 0 {
		return false
	}
	return memberOf(f.Owner.UID, groupOf(info))
}

func (f File) unseen(s *session, err error) Result {
	if at := trust.Obstacle(f.Path); at == f.Path && !f.Dir {
		return misplaced(CodeNotRegular, at, "a file")
	} else if at != "" {
		return misplaced(CodeNotDir, at, "a directory")
	}
	if errors.Is(err, fs.ErrNotExist) {
		return failed("file-missing", f.Path, f.Path+" is not there", "run packhouse setup --yes, which writes it again")
	}
	return failed("file-unreadable", f.Path, err.Error(), s.asRoot())
}

// misplaced reports a path that is not what it must be, "a file" or "a directory".
func misplaced(code, path, expected string) Result {
	return failed(code, path, path+" is "+trust.Kind(path)+", and "+expected+" belongs there",
		trust.MoveAway(path)+", then run packhouse setup --yes")
}

// fault returns the fault of an existing file.
func (f File) fault(info fs.FileInfo) (r Result, bad bool) {
	mode := info.Mode().Perm()
	uid, known := ownerOf(info)
	switch {
	case info.IsDir() && !f.Dir:
		return misplaced(CodeIsDir, f.Path, "a file"), true
	case !info.IsDir() && f.Dir:
		return misplaced(CodeNotDir, f.Path, "a directory"), true
	case !info.IsDir() && !info.Mode().IsRegular():
		return misplaced(CodeNotRegular, f.Path, "a file"), true
	case known && f.Owner != nil && uid != f.Owner.UID && !f.readByGroup(info) && !f.open(mode):
		return failed("file-owner", fmt.Sprintf("%s belongs to user %s", f.Path, userName(uid)), f.Why, "chown "+f.Owner.Name+" "+printable.Shell(f.Path)), true
	case !known:
		return Result{}, false
	}
	return f.permissions(mode, uid)
}

// open reports whether others may read a secret by its mode.
func (f File) open(mode fs.FileMode) bool {
	return f.Secret && mode&f.closed() != 0 || len(f.Holds) > 0 && mode&0o007 != 0
}

// permissions returns the fault of an existing file whose permissions let others read or write what
// they must not.
func (f File) permissions(mode fs.FileMode, uid int) (r Result, bad bool) {
	switch {
	case f.Secret && f.open(mode):
		right := "600"
		if f.Dir {
			right = "700"
		}
		return failed("file-mode", fmt.Sprintf("%s is %04o", f.Path, mode), "others on this machine can read it", "chmod "+right+" "+printable.Shell(f.Path)), true
	case f.open(mode):
		return failed("file-mode", fmt.Sprintf("%s is %04o", f.Path, mode),
			"others on this machine can read it, and "+strings.Join(f.Holds, ", ")+" in it", "chmod o= "+printable.Shell(f.Path)), true
	case f.Secret || len(f.Holds) > 0:
		return f.shared(uid)
	case f.Guarded:
		return f.writable()
	}
	return Result{}, false
}

// shared returns the fault of a secret whose access control list lets other users read it.
func (f File) shared(owner int) (r Result, bad bool) {
	accepted := append([]int{0, owner}, f.Readers...)
	if f.Owner != nil {
		accepted = append(accepted, f.Owner.UID)
	}
	for _, g := range trust.Grants(f.Path) {
		if !g.Read || !g.Group && slices.Contains(accepted, g.ID) || g.Group && anyMember(g.ID, accepted) {
			continue
		}
		entry := fmt.Sprintf("u:%d", g.ID)
		if g.Group {
			entry = fmt.Sprintf("g:%d", g.ID)
		}
		return failed("file-acl", f.Path+" has an access control list", "its access control list lets "+g.Name()+" read it",
			"setfacl -x "+entry+" "+printable.Shell(f.Path)), true
	}
	return Result{}, false
}

// anyMember reports whether a user other than root is a member of a group.
func anyMember(gid int, users []int) bool {
	return slices.ContainsFunc(users, func(uid int) bool { return uid != 0 && memberOf(uid, strconv.Itoa(gid)) })
}

// memberOf reports whether a user is a member of a group.
func memberOf(uid int, gid string) bool {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, gid)
}

// writable returns the fault of a file that other users can write.
func (f File) writable() (r Result, bad bool) {
	policy := trust.Self()
	policy.AnyOwner = true
	fault := trust.Unsafe(policy.Check(f.Path))
	if fault == nil || fault.Path != f.Path {
		return Result{}, false // the check of the configuration reports directories
	}
	return failed(config.CodeUnsafe, f.Path+" can be changed by users who must not", fault.Reason, fault.Fix), true
}

// Exposed returns warnings about files whose permissions let others read secrets, or write what only
// this program and its user may write.
func Exposed(files []File) (found []finding.Finding) {
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil {
			continue // the checks report it
		}
		r, bad := f.fault(info)
		if !bad || !slices.Contains([]string{"file-mode", "file-acl", config.CodeUnsafe}, r.Finding.Code) {
			continue
		}
		found = append(found, finding.Finding{
			Severity: finding.Warning, Code: r.Finding.Code, Subject: finding.Subject{File: f.Path},
			What: r.Finding.What, Remedy: r.Finding.Remedy,
		})
	}
	return found
}
