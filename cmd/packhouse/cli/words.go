package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"packhouse/finding"
	"packhouse/printable"
	"packhouse/server/config"
)

// All messages of the command line are printed through this file. Rules: messages go to stderr,
// results to stdout; lower case, no full stop; %q around user input; a "hint:" line with the next
// command if there is one; never a secret or a stack trace.

// Say prints a line to stderr. It replaces control characters, which only text from other sources
// can contain, and makes commands of this program pasteable.
func (a *App) Say(format string, args ...any) {
	a.print(a.Pasteable(fmt.Sprintf(format, args...)))
}

// print prints a line to stderr without control characters.
func (a *App) print(line string) { fmt.Fprintln(a.Stderr, printable.Text(line)) }

// Warn prints a warning.
func (a *App) Warn(format string, args ...any) { a.Say("warning: "+format, args...) }

// Hint prints a hint with the next command.
func (a *App) Hint(format string, args ...any) { a.Say("hint: "+format, args...) }

// hinted is an error with a hint.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }

func (h *hinted) Unwrap() error { return h.err }

// WithHint adds a hint to an error.
func WithHint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Classify returns an error with an exit code: its own, or one derived from ctx and err.
func Classify(ctx context.Context, err error) *ExitError {
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return exit
	}
	if code, ok := signalCode(ctx); ok {
		return &ExitError{Code: code}
	}
	return &ExitError{ExitFailed, err}
}

// Report prints an error and returns its exit code.
func (a *App) Report(e *ExitError) int {
	if e.err == nil {
		return e.Code
	}
	if problems, ok := errors.AsType[config.Findings](e.err); ok {
		for _, p := range problems {
			a.Say("%s", p)
		}
	} else if refused, ok := errors.AsType[*finding.Error](e.err); ok && refused.Error() == e.err.Error() {
		a.SayFindings(refused.Findings)
	} else if a.Started {
		a.Say("error: %v", e.err)
	} else { // about the usage: the hint contains the command
		a.print(fmt.Sprintf("error: %v", e.err))
	}
	if h, ok := errors.AsType[*hinted](e.err); ok {
		a.Hint("%s", h.hint)
	} else if remedy := RemedyOf(e.err); remedy != "" {
		a.Hint("%s", remedy)
	}
	return e.Code
}

// SayFindings prints all findings about the answers together.
func (a *App) SayFindings(findings []finding.Finding) {
	for _, f := range findings {
		switch f.Severity {
		case finding.Refused:
			a.Say("error: %s", f)
		case finding.Warning:
			a.Warn("%s", f)
		case finding.Note:
			a.Say("note: %s", f)
		}
	}
}

// HumanBytes formats a number of bytes for display. Negative numbers count as 0.
func HumanBytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
