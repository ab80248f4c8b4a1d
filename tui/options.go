package tui

import (
	"errors"
	"os"
	"os/exec"
	"time"

	"packhouse/tui/logview"
	"packhouse/tui/session"
)

// ErrNoTerminal reports that the input or the output is not a terminal.
var ErrNoTerminal = errors.New("open the wizard: standard input and standard error must be terminals")

// Options are the dependencies of the user interface.
type Options struct {
	session.Options // what the session works with

	In, Out *os.File // the terminal: standard input and standard error, or /dev/tty for both

	// Editor returns the command that edits a file, or nil if there is none. A nil Editor means the
	// same.
	Editor func(path string) *exec.Cmd
	// Uninstall returns the command that asks for confirmation and removes the installation. Nil: not
	// offered.
	Uninstall func() *exec.Cmd

	Log      *logview.Ring    // log output to show; nil: nothing is shown
	Title    string           // in the upper left corner; empty: "packhouse setup"
	NoColour bool             // weight and signs only, as with the environment variable NO_COLOR
	Now      func() time.Time // nil: time.Now
}

// fill sets defaults.
func (o Options) fill() Options {
	o.Removable = o.Uninstall != nil
	if o.Title == "" {
		o.Title = "packhouse setup"
	}
	if o.Pasteable == nil {
		o.Pasteable = func(text string) string { return text }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = logview.New(1)
	}
	return o
}
