package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/term"

	"packhouse/tui"
)

// byLines reports whether to use the line mode: with the flag, or with the environment variable on
// a terminal.
func (s *setupRun) byLines() bool {
	if s.o.lines {
		return true
	}
	wanted := s.getenv("TERM") == "dumb" || s.getenv("ACCESSIBLE") != "" && s.getenv("ACCESSIBLE") != "0"
	out, ok := s.stderr.(*os.File)
	return wanted && s.getenv("CI") == "" && ok && term.IsTerminal(int(s.stdin.Fd())) && term.IsTerminal(int(out.Fd()))
}

// lines runs setup interactively, line by line.
func (s *setupRun) lines(ctx context.Context) error {
	a := s.newAsked()
	return a.runLines(ctx, a.options())
}

// runLines prints questions to stderr, because results go to stdout.
func (a *asked) runLines(ctx context.Context, o tui.Options) error {
	if len(a.input.Flags["password-stdin"]) > 0 {
		return usageError(errors.New("--accessible reads answers from standard input, and so does --password-stdin"))
	}
	out, ok := a.stderr.(*os.File)
	if !ok {
		return errors.New("ask line by line: there is nothing to write on")
	}
	o.Out = out
	outcome, err := tui.RunLines(ctx, o)
	return a.concluded(outcome, err)
}
