package installation

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/trust"
)

// CodeUnsafe is the code for a path that another user can write.
const CodeUnsafe = config.CodeUnsafe

// controlFiles determine what setup does. Only root and the acting user may be able to write them.
var controlFiles = []string{ConfigFile, AnswersFile, ManifestFile, CAKeyFile, CACertFile, PasswordsFile}

// programFiles are control files and directories that only this program writes, and never as links.
var programFiles = []string{WorkDir, CompleteDir, UndoneDir, BackupDir, ManifestFile, PasswordsFile}

// VerifyTrust returns a *finding.Error if a user other than root and the acting user can write the
// directory of an installation, a directory above it, or one of its control files. Paths that do
// not exist are not reported.
func VerifyTrust(dir string) error {
	for _, fault := range Untrusted(dir) {
		return finding.NewError(Unsafe(fault))
	}
	return nil
}

// Unsafe returns the finding about a path that another user can write.
func Unsafe(fault *trust.Error) finding.Finding {
	f := setup.Refuse(CodeUnsafe, fault.Error(), fault.Fix)
	f.Question = "dir"
	return f
}

// AsFinding converts errors about files of an installation to a *finding.Error: a [trust.Error], and
// those about a directory, a broken link or a large file in the place of a file, or a file in the place
// of a directory. It returns any other error unchanged.
func AsFinding(err error) error { return AsFindingFor(err, writeAgain) }

// AsFindingFor is AsFinding for a command other than setup, which the remedy names.
func AsFindingFor(err error, command string) error {
	if fault := trust.Unsafe(err); fault != nil {
		return finding.NewError(Unsafe(fault))
	}
	read, ok := errors.AsType[*fs.PathError](err)
	if !ok {
		return err
	}
	if errors.Is(read, syscall.EISDIR) {
		return finding.NewError(directory(read.Path, command))
	}
	what, at := "", trust.Obstacle(read.Path)
	if errors.Is(read, syscall.ENOTDIR) {
		at = cmp.Or(at, read.Path)
	}
	if _, large := errors.AsType[trust.TooLargeError](read); large {
		what, at = read.Path+" is "+read.Err.Error(), read.Path
	} else if at != "" {
		what = at + " is " + trust.Kind(at) + ", which setup did not make"
	} else {
		return err
	}
	return setup.Refusal(setup.CodeBroken, what, trust.MoveAway(at)+", then run "+command)
}

// writeAgain is the command that writes missing files of an installation.
const writeAgain = "packhouse setup --yes"

// directory returns the finding about a directory in the place of a file. command is what to run when
// it is moved away.
func directory(path, command string) finding.Finding {
	return setup.Refuse(setup.CodeIsDir, path+" is a directory, and has to be a file",
		trust.MoveAway(path)+", then run "+command)
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
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err != nil {
			continue
		}
		switch {
		case info.IsDir(), info.Mode()&fs.ModeSymlink != 0 && name == BackupDir: // may be on another disk
			add(policy.Check(path))
		default:
			add(verifyFile(policy, path, !onlyOurs(name)))
		}
	}
	return faults
}

// verifyFile returns a *trust.Error if a file of an installation is unsafe. linked is whether it may
// be a link of root or the acting user.
func verifyFile(policy trust.Policy, path string, linked bool) error {
	open := policy.OpenFile
	if linked {
		open = policy.OpenLinked
	}
	f, err := open(path)
	if errors.Is(err, syscall.EISDIR) {
		return policy.Check(path)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return policy.Verify(f)
}

// onlyOurs reports whether only this program writes a file or directory of an installation.
func onlyOurs(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return slices.Contains(programFiles, first)
}

// programDirs returns the directories that setup works in, and the files that it reads in them.
func programDirs(dir string) []string {
	names := []string{WorkDir, CompleteDir, UndoneDir, BackupDir}
	for _, below := range []string{"", NewDir, OldDir} {
		entries, err := os.ReadDir(filepath.Join(dir, WorkDir, below))
		if err != nil {
			continue
		}
		for _, e := range entries {
			names = append(names, WorkDir+"/"+below+"/"+e.Name())
		}
	}
	for _, generation := range Backups(dir) {
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

// Places returns the places for the users of the installation's server.
func (in *Installed) Places() Places { return Places{Users: in.ServerUsers()} }

// HasUnfinishedRun reports whether an earlier run was interrupted in a directory.
func HasUnfinishedRun(dir string) bool {
	return slices.ContainsFunc([]string{WorkDir, CompleteDir, UndoneDir}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

// Unfinished returns the finding about an interrupted change, or nil if there is none.
func (in *Installed) Unfinished() *finding.Finding {
	if !in.HalfDone {
		return nil
	}
	f := setup.Refuse(setup.CodeHalfDone, "an earlier change of "+in.Dir+" was interrupted and is unfinished",
		"run "+Completes(in.Dir)+" as the owner of the installation")
	return &f
}

// Completes returns the command that finishes or rolls back an interrupted change in a directory.
func Completes(dir string) string { return "packhouse setup --yes --dir " + setup.Shell(dir) }
