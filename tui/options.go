package tui

import (
	"errors"
	"os"
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

	Log      *logview.Ring    // log output to show; nil: nothing is shown
	Title    string           // in the upper left corner; empty: "packhouse setup"
	NoColour bool             // weight and signs only, as with the environment variable NO_COLOR
	Now      func() time.Time // nil: time.Now
}

// fill sets defaults.
func (o Options) fill() Options {
	if o.Title == "" {
		o.Title = "packhouse setup"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = logview.New(1)
	}
	return o
}
