package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/trust"
)

// CodeUnsafe is the code for a path that another user can write.
const CodeUnsafe = config.CodeUnsafe

// controlFiles determine what setup does. Only root and the acting user may be able to write them.
var controlFiles = []string{ConfigFile, AnswersFile, ManifestFile, CAKeyFile, PasswordsFile}

// programFiles are control files and directories that only this program writes, and never as links.
var programFiles = []string{workDir, completeDir, undoneDir, BackupDir, ManifestFile, PasswordsFile}

// VerifyTrust returns a *finding.Error if a user other than root and the acting user can write the
// directory of an installation, a directory above it, or one of its control files. Paths that do
// not exist are not reported.
func VerifyTrust(dir string) error {
	for _, fault := range Untrusted(dir) {
		return finding.NewError(unsafe(fault))
	}
	return nil
}

// unsafe returns the finding about a path that another user can write.
func unsafe(fault *trust.Error) finding.Finding {
	f := refused(CodeUnsafe, fault.Error(), fault.Fix)
	f.Question = "dir"
	return f
}

// refuseUnsafe converts a [trust.Error] in err to a *finding.Error. It returns any other error
// unchanged.
func refuseUnsafe(err error) error {
	if fault := trust.Unsafe(err); fault != nil {
		return finding.NewError(unsafe(fault))
	}
	return err
}

// Untrusted returns the faults of an installation directory and its control files, each path once.
func Untrusted(dir string) (faults []*trust.Error) {
	policy := trust.Self()
	add := func(err error) {
		fault := trust.Unsafe(err)
		if fault != nil && !slices.ContainsFunc(faults, func(f *trust.Error) bool { return f.Path == fault.Path }) {
			faults = append(faults, fault.ForServer())
		}
	}
	add(policy.Check(dir))
	for _, name := range append(slices.Clone(controlFiles), programDirs(dir)...) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		if !info.IsDir() && !onlyOurs(name) { // may be a link of root
			if resolved, err := policy.Resolve(path); err == nil {
				path = resolved
			} else {
				add(err)
			}
		}
		switch info, err := os.Lstat(path); {
		case err != nil:
		case info.IsDir(), info.Mode()&fs.ModeSymlink != 0 && name == BackupDir: // may be on another disk
			add(policy.Check(path))
		default:
			f, err := policy.Open(path)
			if err == nil {
				_ = f.Close()
			}
			add(err)
		}
	}
	return faults
}

// onlyOurs reports whether only this program writes a file or directory of an installation.
func onlyOurs(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return slices.Contains(programFiles, first)
}

// programDirs returns the directories that setup works in, and the files that it reads in them.
func programDirs(dir string) []string {
	names := []string{workDir, completeDir, undoneDir, BackupDir}
	for _, below := range []string{"", newDir, oldDir} {
		entries, err := os.ReadDir(filepath.Join(dir, workDir, below))
		if err != nil {
			continue
		}
		for _, e := range entries {
			names = append(names, workDir+"/"+below+"/"+e.Name())
		}
	}
	for _, generation := range backups(dir) {
		names = append(names, BackupDir+"/"+generation)
		entries, err := os.ReadDir(filepath.Join(dir, BackupDir, generation))
		if err != nil {
			continue
		}
		for _, e := range entries {
			names = append(names, BackupDir+"/"+generation+"/"+e.Name())
		}
	}
	return names
}

// places returns the places for the users of the installation's server.
func (in *Installed) places() places { return places{users: in.serverUsers()} }

// hasUnfinishedRun reports whether an earlier run was interrupted in a directory.
func hasUnfinishedRun(dir string) bool {
	return slices.ContainsFunc([]string{workDir, completeDir, undoneDir}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

// Open finishes or rolls back an interrupted run, and loads the installation in a directory as
// [Load] does. Recovered describes the outcome. A command that then changes the installation
// acquires a [Lock] first and calls [Lock.Open].
func Open(dir string) (*Installed, error) { return open(dir, nil) }

// open is Open under lock l, or without a lock if l is nil.
func open(dir string, l *Lock) (*Installed, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find installation: %w", err)
	}
	if err := VerifyTrust(dir); err != nil {
		return nil, err
	}
	said := ""
	if hasUnfinishedRun(dir) {
		if said, err = recoverRun(dir, l, nil); err != nil && !cannotWrite(err) {
			return nil, refuseUnsafe(err)
		}
	}
	in, err := Load(dir)
	if err == nil {
		in.Recovered = said
	}
	return in, err
}

// cannotWrite reports whether an error means that the acting user may not change the files.
func cannotWrite(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// Unfinished returns the finding about an interrupted change, or nil if there is none.
func (in *Installed) Unfinished() *finding.Finding {
	if !in.HalfDone {
		return nil
	}
	f := refused(CodeHalfDone, "an earlier change of "+in.Dir+" was interrupted and is unfinished",
		"run "+Completes(in.Dir)+" as the owner of the installation")
	return &f
}

// Completes returns the command that finishes or rolls back an interrupted change in a directory.
func Completes(dir string) string { return "packhouse setup --yes --dir " + Shell(dir) }

// configs returns the configurations before and after a plan.
func (p *Plan) configs() (list []*config.Config) {
	if p.installed != nil && p.installed.Config != nil {
		list = append(list, p.installed.Config)
	}
	if c := p.change(ConfigFile); c != nil {
		for _, data := range [][]byte{c.Before, c.After} {
			if data != nil {
				list = append(list, config.Glimpse(config.Source{Path: c.Path, Data: data}))
			}
		}
	}
	return list
}
