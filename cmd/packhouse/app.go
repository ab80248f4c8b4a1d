package main

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

// app is the environment that commands share: streams, variables and clock. Tests replace them.
type app struct {
	stdin  *os.File
	stdout io.Writer
	stderr io.Writer
	env    []string // "KEY=value"
	now    func() time.Time

	version string // of this program

	patience time.Duration // how long commands wait for another one to finish changing the installation; 0: lockPatience
	hashCost int           // bcrypt cost of passwords; 0: htpasswd.DefaultCost

	surroundings *check.Machine // the machine to check; nil: this one

	commands map[string]bool // commands of this program, and whether they have the flag --dir
	dir      string          // absolute path of the command's installation directory; empty: the default one

	hangup  atomic.Pointer[func()] // called on SIGHUP; nil: SIGHUP ends the program
	started bool                   // the command's own code is running: errors are no longer about usage
}

// clone returns a copy of a with the same streams. It handles no SIGHUP.
func (a *app) clone() *app {
	return &app{
		stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, env: a.env, now: a.now, version: a.version,
		patience: a.patience, hashCost: a.hashCost, surroundings: a.surroundings,
		commands: a.commands, dir: a.dir, started: a.started,
	}
}

// getenv returns an environment variable, or "" if it is not set.
func (a *app) getenv(key string) string {
	for _, v := range slices.Backward(a.env) {
		if value, ok := strings.CutPrefix(v, key+"="); ok {
			return value
		}
	}
	return ""
}

// interactive reports whether input and output are a terminal with cursor movement, outside of CI.
func (a *app) interactive() bool {
	if a.getenv("CI") != "" || a.getenv("TERM") == "dumb" {
		return false
	}
	return term.IsTerminal(int(a.stdin.Fd())) && a.stdoutIsTerminal()
}

// stdoutIsTerminal reports whether standard output is a terminal.
func (a *app) stdoutIsTerminal() bool {
	out := a.stdout
	if r, ok := out.(*results); ok {
		out = r.to
	}
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
