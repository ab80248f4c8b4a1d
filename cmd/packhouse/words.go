package main

import (
	"context"
	"errors"
	"fmt"

	"packhouse/finding"
	"packhouse/printable"
	"packhouse/server/config"
)

// All messages of the command line are printed through this file. Rules: messages go to stderr,
// results to stdout; lower case, no full stop; %q around user input; a "hint:" line with the next
// command if there is one; never a secret or a stack trace.

// say prints a line to stderr. It replaces control characters, which only text from other sources
// can contain, and makes commands of this program pasteable.
func (a *app) say(format string, args ...any) {
	a.print(a.pasteable(fmt.Sprintf(format, args...)))
}

// print prints a line to stderr without control characters.
func (a *app) print(line string) { fmt.Fprintln(a.stderr, printable.Text(line)) }

// warn prints a warning.
func (a *app) warn(format string, args ...any) { a.say("warning: "+format, args...) }

// hint prints a hint with the next command.
func (a *app) hint(format string, args ...any) { a.say("hint: "+format, args...) }

// hinted is an error with a hint.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// withHint adds a hint to an error.
func withHint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// classify returns an error with an exit code: its own, or one derived from ctx and err.
func (a *app) classify(ctx context.Context, err error) *exitError {
	if exit, ok := errors.AsType[*exitError](err); ok {
		return exit
	}
	if code, ok := signalCode(ctx); ok {
		return &exitError{code: code}
	}
	return &exitError{exitFailed, err}
}

// report prints an error and returns its exit code.
func (a *app) report(e *exitError) int {
	if e.err == nil {
		return e.code
	}
	if problems, ok := errors.AsType[config.Problems](e.err); ok {
		for _, p := range problems {
			a.say("%s", p)
		}
	} else if refused, ok := errors.AsType[*finding.Error](e.err); ok && refused.Error() == e.err.Error() {
		a.sayFindings(refused.Findings)
	} else if a.started {
		a.say("error: %v", e.err)
	} else { // about the usage: the hint contains the command
		a.print(fmt.Sprintf("error: %v", e.err))
	}
	if h, ok := errors.AsType[*hinted](e.err); ok {
		a.hint("%s", h.hint)
	} else if remedy := remedyOf(e.err); remedy != "" {
		a.hint("%s", remedy)
	}
	return e.code
}
