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

// app is what commands share: the streams, the environment and the clock. Tests replace them.
type app struct {
	stdin  *os.File
	stdout io.Writer
	stderr io.Writer
	env    []string // "KEY=value"
	now    func() time.Time

	patience time.Duration // how long commands wait for another one that changes the installation; 0: lockPatience

	surroundings *check.Machine // what the checks look at; nil: this machine

	commands map[string]bool // the commands of this program, and which of them have the flag --dir
	dir      string          // absolute installation directory that the command is about; empty: the default one

	hangup  atomic.Pointer[func()] // what SIGHUP does; nil: it ends the program
	started bool                   // a command's own code has begun: errors are no longer about usage
}

// clone returns a copy of a with the same streams. It handles no SIGHUP.
func (a *app) clone() *app {
	return &app{
		stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, env: a.env, now: a.now,
		patience: a.patience, surroundings: a.surroundings, commands: a.commands, dir: a.dir, started: a.started,
	}
}

// getenv returns a variable of the environment, empty where it is not set.
func (a *app) getenv(key string) string {
	for _, v := range slices.Backward(a.env) {
		if value, ok := strings.CutPrefix(v, key+"="); ok {
			return value
		}
	}
	return ""
}

// interactive reports whether input and output are a terminal that can move its cursor, outside CI.
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
