package setupcmd

import (
	"context"
	"errors"
	"os"

	"golang.org/x/term"

	"packhouse/cmd/packhouse/cli"
	"packhouse/tui"
	"packhouse/tui/lines"
)

// ByLines reports whether to use the line mode: with the flag, or with the environment variable on
// a terminal.
func (s *Run) ByLines() bool {
	if s.o.lines {
		return true
	}
	wanted := s.Getenv("TERM") == "dumb" || s.Getenv("ACCESSIBLE") != "" && s.Getenv("ACCESSIBLE") != "0"
	out, ok := s.Stderr.(*os.File)
	return wanted && s.Getenv("CI") == "" && ok && term.IsTerminal(int(s.Stdin.Fd())) && term.IsTerminal(int(out.Fd()))
}

// lines runs setup interactively, line by line.
func (s *Run) lines(ctx context.Context) error {
	a := s.newAsked()
	return a.runLines(ctx, a.options())
}

// runLines prints questions to stderr, because results go to stdout.
func (a *asked) runLines(ctx context.Context, o tui.Options) error {
	if len(a.input.Flags["password-stdin"]) > 0 {
		return cli.UsageError(errors.New("--accessible reads answers from standard input, and so does --password-stdin"))
	}
	out, ok := a.Stderr.(*os.File)
	if !ok {
		return errors.New("ask line by line: there is nothing to write on")
	}
	outcome, err := lines.Run(ctx, lines.Options{Options: o.Options, In: o.In, Out: out, Title: o.Title})
	return a.concluded(outcome, err)
}
