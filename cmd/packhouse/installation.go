package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// addDir adds the flag --dir to a command.
func (a *app) addDir(cmd *cobra.Command, dir *string) {
	*dir = a.defaultDir()
	cmd.Flags().Var((*directory)(dir), "dir", "`DIR` of the installation")
}

// directory is the value of --dir. It refuses an empty value, which is likely an unset variable in
// a script, rather than the current or the default directory.
type directory string

// String implements pflag.Value.
func (d *directory) String() string { return string(*d) }

// Type implements pflag.Value.
func (*directory) Type() string { return "string" }

// Set implements pflag.Value.
func (d *directory) Set(text string) error {
	if text == "" {
		return errors.New("it is empty")
	}
	*d = directory(text)
	return nil
}

// defaultDir returns this user's default installation directory, or "" if there is none.
func (a *app) defaultDir() string {
	dir, _ := machine.DefaultDirectories(os.Geteuid(), a.getenv)
	return dir
}

// errNoDir is the error for a user without a home directory who does not name an installation
// directory.
func errNoDir() error {
	return usageError(withHint(errors.New("no installation directory: this user has no home directory"),
		"name one with --dir, or set HOME"))
}

// findConfig finds the configuration of a command: its argument, else that of the installation in
// --dir, else the result of config.Find. An empty path means that there is none and the built-in
// document applies.
func (a *app) findConfig(dir string, args []string) config.Found {
	switch {
	case len(args) > 0:
		return config.Named(args[0], "named on the command line", nil)
	case dir != "" && dir != a.defaultDir():
		return config.Named(filepath.Join(dir, installation.ConfigFile), "of the installation that --dir names", nil)
	}
	installed := ""
	if d := a.defaultDir(); d != "" {
		installed = filepath.Join(d, installation.ConfigFile)
	}
	return config.Find(installed, a.env, nil)
}

// someConfig is findConfig for commands that require a configuration.
func (a *app) someConfig(dir string, args []string) (string, error) {
	found := a.findConfig(dir, args)
	if found.Path == "" {
		return "", withHint(
			errors.New("no registry is installed here"), "packhouse setup makes one, --dir names another directory",
		)
	}
	return found.Path, nil
}

// loadInstallation loads the installation in dir, which may be empty or broken, and changes
// nothing. It warns about an interrupted change.
func (a *app) loadInstallation(dir string) (*installation.Installed, error) {
	if dir == "" {
		return nil, errNoDir()
	}
	installed, err := installation.Load(dir)
	if err != nil {
		return nil, explain(err)
	}
	if f := installed.Unfinished(); f != nil {
		a.warn("%s", f.Sentence())
	}
	return installed, nil
}

// lockPatience is how long a command waits for another one that is changing the installation.
const lockPatience = 30 * time.Second

// hold acquires the lock of the installation in dir. A command that changes the installation holds
// it from before its first read until it has applied the change.
func (a *app) hold(ctx context.Context, dir string) (*apply.Lock, error) {
	if dir == "" {
		return nil, errNoDir()
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find installation: %w", err)
	}
	lock, err := apply.Acquire(ctx, dir, apply.Patience{For: cmp.Or(a.patience, lockPatience), Wait: func(by string) {
		if by != "" {
			by = " (" + by + ")"
		}
		a.say("waiting for another command%s to finish changing %s", by, dir)
	}})
	if err != nil {
		return nil, explain(err)
	}
	return lock, nil
}

// openInstallation finishes or rolls back an interrupted change, reports that, and loads the locked
// installation. It is for commands that change the installation.
func (a *app) openInstallation(lock *apply.Lock) (*installation.Installed, error) {
	installed, err := lock.Open()
	if err != nil {
		return nil, explain(err)
	}
	if installed.Recovered != "" {
		a.say("%s", installed.Recovered)
	}
	return installed, nil
}

// explain adds the remedy as a hint to an error with a single finding.
func explain(err error) error {
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok || len(refusal.Findings) != 1 || refusal.Findings[0].Code != installation.CodeUnsafe {
		return err
	}
	f := refusal.Findings[0]
	return withHint(errors.New(f.What), "%s", f.Remedy)
}

// repairHint returns the remedy for a myconfig.yml that the server refuses.
func repairHint(dir string) string {
	return "to repair it, run packhouse --dir " + setup.Shell(dir) + " on a terminal"
}

// installation loads the installation in dir and changes nothing. It returns an error if there is
// none.
func (a *app) installation(dir string) (*installation.Installed, error) {
	return usable(a.loadInstallation(dir))
}

// changeable is installation for commands that change it: it first finishes or rolls back an
// interrupted change.
func (a *app) changeable(lock *apply.Lock) (*installation.Installed, error) {
	return usable(a.openInstallation(lock))
}

func usable(installed *installation.Installed, err error) (*installation.Installed, error) {
	if err != nil {
		return nil, err
	}
	switch {
	case !installed.Exists():
		return nil, withHint(
			fmt.Errorf("no installation in %s", installed.Dir),
			"packhouse setup makes one, --dir names another directory",
		)
	case installed.Refused():
		return nil, withHint(installed.Problem, "%s", repairHint(installed.Dir))
	case installed.Problem != nil:
		return nil, installed.Problem
	case installed.ConfigData == nil: // a new one would have other settings, and another certificate
		return nil, withHint(
			fmt.Errorf("%s: no such file", filepath.Join(installed.Dir, installation.ConfigFile)), "%s",
			repairHint(installed.Dir),
		)
	}
	return installed, nil
}
