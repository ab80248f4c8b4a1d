package cli

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
	"packhouse/trust"
)

// AddDir adds the flag --dir to a command.
func (a *App) AddDir(cmd *cobra.Command, dir *string) {
	*dir = a.DefaultDir()
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
	*d = directory(trust.Clean(text))
	return nil
}

// DefaultDir returns this user's default installation directory, or "" if there is none.
func (a *App) DefaultDir() string {
	dir, _ := machine.DefaultDirectories(os.Geteuid(), a.Getenv)
	return dir
}

// ErrNoDir is the error for a user without a home directory who does not name an installation
// directory.
func ErrNoDir() error {
	return UsageError(WithHint(errors.New("no installation directory: this user has no home directory"),
		"name one with --dir, or set HOME"))
}

// ErrNothingInstalled returns the error of commands that find no configuration.
func ErrNothingInstalled() error {
	return WithHint(errors.New("no registry is installed here"),
		"packhouse setup makes one, --dir names another directory")
}

// FindConfig finds the configuration of a command: its argument, else that of the installation in
// --dir, else the result of config.Find. An empty path means that there is none and the built-in
// document applies.
func (a *App) FindConfig(dir string, args []string) config.Found {
	switch {
	case len(args) > 0:
		return config.Named(args[0], "named on the command line", nil)
	case dir != "" && dir != a.DefaultDir():
		return config.Named(filepath.Join(dir, installation.ConfigFile), "of the installation that --dir names", nil)
	}
	installed := ""
	if d := a.DefaultDir(); d != "" {
		installed = filepath.Join(d, installation.ConfigFile)
	}
	return config.Find(installed, a.Env, nil)
}

// SomeConfig is FindConfig for commands that require a configuration.
func (a *App) SomeConfig(dir string, args []string) (string, error) {
	found := a.FindConfig(dir, args)
	if found.Path == "" {
		return "", ErrNothingInstalled()
	}
	return found.Path, nil
}

// LoadInstallation loads the installation in dir, which may be empty or broken, and changes
// nothing. It warns about an interrupted change.
func (a *App) LoadInstallation(dir string) (*installation.Installed, error) {
	if dir == "" {
		return nil, ErrNoDir()
	}
	installed, err := installation.Load(dir)
	if err != nil {
		return nil, Explain(err)
	}
	if f := installed.Unfinished(); f != nil {
		a.Warn("%s", f.Sentence())
	}
	return installed, nil
}

// lockPatience is how long a command waits for another one that is changing the installation.
const lockPatience = 30 * time.Second

// Hold acquires the lock of the installation in dir. A command that changes the installation holds
// it from before its first read until it has applied the change.
func (a *App) Hold(ctx context.Context, dir string) (*apply.Lock, error) {
	if dir == "" {
		return nil, ErrNoDir()
	}
	dir, err := trust.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find installation: %w", err)
	}
	lock, err := apply.Acquire(ctx, dir, apply.Patience{For: cmp.Or(a.Patience, lockPatience), Wait: func(by string) {
		if by != "" {
			by = " (" + by + ")"
		}
		a.Say("waiting for another command%s to finish changing %s", by, dir)
	}})
	if err != nil {
		return nil, Explain(err)
	}
	return lock, nil
}

// OpenInstallation finishes or rolls back an interrupted change, reports that, and loads the locked
// installation. It is for commands that change the installation.
func (a *App) OpenInstallation(lock *apply.Lock) (*installation.Installed, error) {
	installed, err := lock.Open()
	if err != nil {
		return nil, Explain(err)
	}
	if installed.Recovered != "" {
		a.Say("%s", installed.Recovered)
	}
	return installed, nil
}

// Explain adds the remedy as a hint to an error with a single finding.
func Explain(err error) error {
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok || len(refusal.Findings) != 1 || refusal.Findings[0].Code != installation.CodeUnsafe {
		return err
	}
	f := refusal.Findings[0]
	return WithHint(errors.New(f.What), "%s", f.Remedy)
}

// RepairHint returns the remedy for a myconfig.yml that the server refuses.
func RepairHint(dir string) string {
	return "to repair it, run packhouse --dir " + setup.Shell(dir) + " on a terminal"
}

// Installation loads the installation in dir and changes nothing. It returns an error if there is
// none.
func (a *App) Installation(dir string) (*installation.Installed, error) {
	return usable(a.LoadInstallation(dir))
}

// Changeable is Installation for commands that change it: it first finishes or rolls back an
// interrupted change.
func (a *App) Changeable(lock *apply.Lock) (*installation.Installed, error) {
	return usable(a.OpenInstallation(lock))
}

func usable(installed *installation.Installed, err error) (*installation.Installed, error) {
	if err != nil {
		return nil, err
	}
	switch {
	case !installed.Exists():
		return nil, WithHint(
			fmt.Errorf("no installation in %s", installed.Dir),
			"packhouse setup makes one, --dir names another directory",
		)
	case installed.Refused():
		return nil, WithHint(installed.Problem, "%s", RepairHint(installed.Dir))
	case installed.Problem != nil:
		return nil, installed.Problem
	case installed.ConfigData == nil: // a new one would have other settings, and another certificate
		return nil, WithHint(
			fmt.Errorf("%s: no such file", filepath.Join(installed.Dir, installation.ConfigFile)), "%s",
			RepairHint(installed.Dir),
		)
	}
	return installed, nil
}
