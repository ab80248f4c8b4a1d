package cli

import (
	"errors"
	"os"
	"path/filepath"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/trust"
)

// unsafeConfig returns the paths that prevent root from trusting a configuration because another
// user can write them: the file, a directory above it, or the control files of its installation.
// For other users it returns none: they may use configurations of any user, as in a container.
func unsafeConfig(path string) []*trust.Error {
	if os.Geteuid() != 0 || path == "" {
		return nil
	}
	if fault := trust.Unsafe(trust.Self().Check(path)); fault != nil {
		return []*trust.Error{fault.ForServer()}
	}
	if filepath.Base(path) != installation.ConfigFile {
		return nil
	}
	return installation.Untrusted(filepath.Dir(path))
}

// Trusted returns an error if root must not trust a configuration.
func Trusted(path string) error {
	for _, fault := range unsafeConfig(path) {
		return WithHint(fault, "%s", fault.Fix)
	}
	return nil
}

// ownOutput is the remedy for output that another user can redirect.
const ownOutput = "run the command as that user, or write to a directory that only root can write"

// TrustedOutput returns an error if root is about to write into a directory that another user can
// replace, for example by a link to a system directory. The directory need not exist. A sticky
// directory that all users can write, such as /tmp, is accepted.
func TrustedOutput(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	opened, err := trust.Self().OpenDir(dir)
	if err == nil {
		return opened.Close()
	}
	if fault := trust.Unsafe(err); fault != nil {
		return WithHint(fault, "%s", ownOutput)
	}
	return nil // a missing directory is created, and any other error is reported by the write
}

// TrustedTarget returns an error if root is about to write through a symbolic link that another user
// can have made. A directory of another user, such as the checkout that a container mounts, is
// accepted.
func TrustedTarget(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if fault := trust.Unsafe(trust.CheckFolder(dir)); fault != nil {
		return WithHint(fault, "%s", ownOutput)
	}
	return nil // the write reports what else is wrong with the directory
}

// TrustedInstallation returns an error if root is about to serve an installation that another user
// can write. A configuration given on the command line, or at the location used in containers, is
// served with a warning.
func TrustedInstallation(found config.Found, named bool) error {
	if named || found.Path == "" {
		return nil
	}
	if !HasManifest(filepath.Dir(found.Path)) {
		return nil
	}
	return Trusted(found.Path)
}

// HasManifest reports whether setup created the installation in dir.
func HasManifest(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, installation.ManifestFile))
	return !errors.Is(err, os.ErrNotExist)
}

// UnsafeProblems returns the faults of unsafeConfig as problems of the configuration. If the
// configuration belongs to an installation, users other than root get the faults of the
// installation too, as from the commands that load it.
func UnsafeProblems(path string) (problems []finding.Finding) {
	faults := unsafeConfig(path)
	if dir := filepath.Dir(path); len(faults) == 0 && filepath.Base(path) == installation.ConfigFile &&
		HasManifest(dir) {
		faults = installation.Untrusted(dir)
	}
	for _, fault := range faults {
		problems = append(problems, finding.Finding{
			Code: config.CodeUnsafe, Severity: finding.Refused, Subject: finding.Subject{File: path},
			What: "not trusted: " + fault.Error(), Remedy: fault.Fix,
		})
	}
	return problems
}
