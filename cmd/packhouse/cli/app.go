// Package cli is what all commands share: streams, messages, exit codes, the installation directory,
// and whether a configuration may be trusted.
package cli

import (
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"packhouse/setup/check"
)

// App is the environment that commands share: streams, variables and clock. Tests replace them.
type App struct {
	Stdin  *os.File
	Stdout io.Writer
	Stderr io.Writer
	Env    []string // "KEY=value"
	Now    func() time.Time

	Version string // of this program

	// Patience is how long commands wait for another one to finish changing the installation; 0:
	// lockPatience.
	Patience time.Duration
	HashCost int // bcrypt cost of passwords; 0: htpasswd.DefaultCost

	Surroundings *check.Machine // the machine to check; nil: this one

	Commands map[string]bool // commands of this program, and whether they have the flag --dir
	Dir      string          // absolute path of the command's installation directory; empty: the default one

	Hangup  atomic.Pointer[func()] // called on SIGHUP; nil: SIGHUP ends the program
	Started bool                   // the command's own code is running: errors are no longer about usage
}

// Clone returns a copy of a with the same streams. It handles no SIGHUP.
func (a *App) Clone() *App {
	return &App{
		Stdin: a.Stdin, Stdout: a.Stdout, Stderr: a.Stderr, Env: a.Env, Now: a.Now, Version: a.Version,
		Patience: a.Patience, HashCost: a.HashCost, Surroundings: a.Surroundings,
		Commands: a.Commands, Dir: a.Dir, Started: a.Started,
	}
}

// CheckedMachine returns the machine to check.
func CheckedMachine(a *App) *check.Machine {
	if a.Surroundings != nil {
		return a.Surroundings
	}
	return check.ThisMachine()
}

// Getenv returns an environment variable, or "" if it is not set.
func (a *App) Getenv(key string) string {
	for _, v := range slices.Backward(a.Env) {
		if value, ok := strings.CutPrefix(v, key+"="); ok {
			return value
		}
	}
	return ""
}

// Interactive reports whether input and output are a terminal with cursor movement, outside of CI.
func (a *App) Interactive() bool {
	if a.Getenv("CI") != "" || a.Getenv("TERM") == "dumb" {
		return false
	}
	return term.IsTerminal(int(a.Stdin.Fd())) && a.StdoutIsTerminal()
}

// StdoutIsTerminal reports whether standard output is a terminal.
func (a *App) StdoutIsTerminal() bool {
	out := a.Stdout
	if r, ok := out.(*Results); ok {
		out = r.To
	}
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
