package session

import (
	"syscall"

	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/plan"
)

// Stage is the last step that was completed.
type Stage int

// Stages. Each includes the ones before it.
const (
	Asked   Stage = iota // at most questions: nothing was written
	Applied              // the files are written
	Proved               // the checks ran to their end
)

// Outcome is the result of a session. It alone reports success: the terminal library returns no
// error for a session that a signal ended.
type Outcome struct {
	Stage    Stage
	Plan     *plan.Plan      // the applied one
	Applied  *apply.Applied  // nil: nothing was written
	Report   check.Report    // of the last run of the checks
	Card     plan.Card       // from Proved on
	Resolved answer.Resolved // the last answers
	Unseen   []plan.Password // generated and not shown
	Removed  bool            // the installation was uninstalled
	Managed  bool            // an installation was managed: leaving without a change is no failure
	Signal   syscall.Signal  // that ended the session early: SIGINT for ctrl+c; 0: none
}

// ExitCode returns the exit code of the command: 0 for success; 1 if nothing was written; 4 if a
// check failed or warned, or did not run after files were written; and 128 plus the signal that
// ended the session.
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
