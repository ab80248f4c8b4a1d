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
	Owner    *Account // required owner; nil: any
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
	u, err := user.LookupId(strconv.Itoa(f.Owner.UID))
	if err != nil {
		return false
	}
	groups, err := u.GroupIds()
	return err == nil && slices.Contains(groups, groupOf(info))
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
	case known && f.Secret && mode&f.closed() != 0:
		right := "600"
		if f.Dir {
			right = "700"
		}
		return failed("file-mode", fmt.Sprintf("%s is %04o", f.Path, mode), "others on this machine can read it", "chmod "+right+" "+printable.Shell(f.Path)), true
	case known && len(f.Holds) > 0 && mode&0o007 != 0:
		return failed("file-mode", fmt.Sprintf("%s is %04o", f.Path, mode),
			"others on this machine can read it, and "+strings.Join(f.Holds, ", ")+" in it", "chmod o= "+printable.Shell(f.Path)), true
	case known && f.Owner != nil && uid != f.Owner.UID && !f.readByGroup(info):
		return failed("file-owner", fmt.Sprintf("%s belongs to user %s", f.Path, userName(uid)), f.Why, "chown "+f.Owner.Name+" "+printable.Shell(f.Path)), true
	}
	return Result{}, false
}
