package session

import (
	"context"
	"os/exec"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

// Options are the dependencies of a session. It decides what happens next; these functions do the
// work.
type Options struct {
	// Begin detects the machine and loads the installation. Nil: the session starts from Beginning.
	Begin func(ctx context.Context) (Beginning, error)
	Beginning

	Steps   []question.Step                       // nil: question.Steps()
	Preview func(answers question.Answers) []byte // myconfig.yml for the answers; nil: plan.Preview

	// Plan returns the changes that the answers make. It is called for each review and reads the files
	// each time.
	Plan func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error)
	// Apply carries out the plan, or leaves everything as it was.
	Apply func(ctx context.Context, planned *plan.Plan, progress func(verb, path string)) (*apply.Applied, error)
	// Reread loads the installation after a change. Nil: the known state is kept.
	Reread func(ctx context.Context) (*installation.Installed, error)
	// Rollback returns the plan that restores the files before the last change. Nil: rollback is not
	// offered.
	Rollback func(ctx context.Context) (*plan.Plan, error)
	// Observe returns the state of storage and certificate, for the figures above the log. Nil: they
	// are not shown.
	Observe func(ctx context.Context) *installation.State
	// Start loads the plan into the server that it returned before, or starts a server, which runs
	// until Shutdown. It returns nil without an error if a server that another program started has
	// loaded the change.
	Start func(ctx context.Context, planned *plan.Plan) (installation.Running, error)
	// Stop stops the server of the installation that another program started. Nil: that is not
	// offered.
	Stop func(ctx context.Context) error
	// Editor returns the command that edits a file on the user's terminal, or nil if there is none. A
	// nil Editor means the same.
	Editor func(path string) *exec.Cmd
	// Uninstall returns the command that asks for confirmation on the user's terminal and removes the
	// installation. Nil: that is not offered.
	Uninstall func() *exec.Cmd
	// Prove runs the checks and reports each of their steps.
	Prove func(ctx context.Context, planned *plan.Plan, report func(check.Event)) check.Report
	// Size returns the size of the machine, for the notes of the manager. Nil: check.ThisMachine.
	Size func() *check.Machine
	// Card returns what clients need to use the registry. Nil: plan.Handoff.
	Card func(ctx context.Context, planned *plan.Plan) plan.Card

	// Pasteable returns text in which each command of this program works when pasted. Nil: text is not
	// changed.
	Pasteable func(text string) string
}

// Beginning is what a session starts from.
type Beginning struct {
	Machine   *machine.Machine
	Installed *installation.Installed
	Resolved  answer.Resolved
	Findings  []finding.Finding   // of [answer.Resolve]
	State     *installation.State // of the installation to manage, shown first; nil: the questions come first

	// outlook holds findings about the machine: they block the wizard before its first question, or
	// are shown beside the state.
	outlook []finding.Finding
}

// fill sets defaults.
func (o Options) fill() Options {
	if o.Steps == nil {
		o.Steps = question.Steps()
	}
	if o.Pasteable == nil {
		o.Pasteable = func(text string) string { return text }
	}
	if o.Size == nil {
		o.Size = check.ThisMachine
	}
	return o
}
