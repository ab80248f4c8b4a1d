package tui

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/logview"
)

// ErrNoTerminal reports that the input or the output is not a terminal.
var ErrNoTerminal = errors.New("open the wizard: there is no terminal on both ends")

// Options are the dependencies of the wizard. It knows the questions; all work is done by these functions.
type Options struct {
	In, Out *os.File // the terminal: standard input and standard error, or /dev/tty for both

	// Begin finds out about the machine and the installation; a spinner turns meanwhile. Nil: the next four fields say it.
	Begin     func(ctx context.Context) (Beginning, error)
	Machine   *machine.Machine
	Installed *installation.Installed
	Resolved  answer.Resolved
	Findings  []finding.Finding

	Steps   []question.Step                       // nil: question.Steps()
	Preview func(answers question.Answers) []byte // myconfig.yml as it would be; nil: setup.Preview

	// Plan returns the changes that the answers make. It is called for each review and reads the files each time.
	Plan func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error)
	// Apply makes the plan true, or leaves everything as it was.
	Apply func(ctx context.Context, planned *plan.Plan, progress func(verb, path string)) (*apply.Applied, error)
	// Reread reads the installation after a change. Nil: the known state is kept.
	Reread func(ctx context.Context) (*installation.Installed, error)
	// Rollback returns the plan that restores the files before the last change. Nil: not offered.
	Rollback func(ctx context.Context) (*plan.Plan, error)
	// Editor is the command that edits a file; nil, or one that returns nil: there is none.
	Editor func(path string) *exec.Cmd
	// Look returns the state of storage and certificate for the figures above the log. Nil: they are left out.
	Look func(ctx context.Context) *installation.State
	// Start loads the plan into the server that it returned before, or starts a server, which outlives the call until Shutdown. A nil Running
	// without an error: a server that another program started has loaded the change.
	Start func(ctx context.Context, planned *plan.Plan) (installation.Running, error)
	// Stop stops the server of the installation, which another program started. Nil: that is not offered.
	Stop func(ctx context.Context) error
	// Uninstall returns the command that asks for confirmation and removes the installation. Nil: not offered.
	Uninstall func() *exec.Cmd
	// Prove runs the checks and reports each step of them.
	Prove func(ctx context.Context, planned *plan.Plan, report func(check.Event)) check.Report
	// Size returns the size of the machine, for the notes of the manager. Nil: check.ThisMachine.
	Size func() *check.Machine
	// Card returns what users need to use the registry. Nil: setup.Handoff.
	Card func(ctx context.Context, planned *plan.Plan) plan.Card

	// Pasteable returns text whose commands of this program run when pasted. Nil: text stays as it is.
	Pasteable func(text string) string

	Log      *logview.Ring    // log output to show; nil: nothing is shown
	Title    string           // in the upper left corner; empty: "packhouse setup"
	NoColour bool             // weight and signs only; the variable NO_COLOR says the same
	Now      func() time.Time // nil: time.Now
}

// Beginning is what a wizard starts from.
type Beginning struct {
	Machine   *machine.Machine
	Installed *installation.Installed
	Resolved  answer.Resolved
	Findings  []finding.Finding   // of [answer.Resolve]
	State     *installation.State // of the installation to manage, shown first; nil: the questions come first

	outlook []finding.Finding // about the machine: they block the wizard before its first question, or are shown beside the state
}

// Stage is the last step that was completed.
type Stage int

// Stages. Each holds the ones before it.
const (
	Asked   Stage = iota // questions at most: nothing was written
	Applied              // the files are written
	Proved               // the checks ran to their end
)

// Outcome is the result of a session. It alone reports success: the terminal library returns no error for a session that a signal ended.
type Outcome struct {
	Stage    Stage
	Plan     *plan.Plan      // the applied one
	Applied  *apply.Applied  //
	Report   check.Report    // of the last run of the checks
	Card     plan.Card       // from Proved on
	Resolved answer.Resolved // the answers as they were left
	Unseen   []plan.Password // that were generated and not viewed
	Removed  bool            // the installation was uninstalled
	Managed  bool            // an installation was looked after, and leaving is no failure
	Signal   syscall.Signal  // that ended it early: SIGINT for ctrl+c; 0: it came to its end
}

// ExitCode returns the exit code of the command: 0 when all is well; 1 when nothing was written; 4 when a check failed
// or warned, or did not run after files were written; and 128 plus the signal that ended it.
func (o Outcome) ExitCode() int {
	switch {
	case o.Signal != 0:
		return 128 + int(o.Signal)
	case o.Stage == Asked && !o.Managed:
		return 1
	case o.Stage == Applied, o.Report.NeedsAttention():
		return 4
	}
	return 0
}

// fill puts the defaults in.
func (o Options) fill() Options {
	if o.Steps == nil {
		o.Steps = question.Steps()
	}
	if o.Title == "" {
		o.Title = "packhouse setup"
	}
	if o.Pasteable == nil {
		o.Pasteable = func(text string) string { return text }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Size == nil {
		o.Size = check.ThisMachine
	}
	if o.Log == nil {
		o.Log = logview.New(1)
	}
	return o
}
