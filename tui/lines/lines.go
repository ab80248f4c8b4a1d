// Package lines is the wizard and the manager as a dialog of lines, for screen readers. It drives
// the same session as the full-screen interface.
package lines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"packhouse/finding"
	"packhouse/tui/describe"
	"packhouse/tui/echo"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// ErrInputEnded reports the end of the input.
var ErrInputEnded = errors.New("the input has ended")

// Options are the dependencies of the line mode.
type Options struct {
	session.Options

	In    io.Reader // if it is a terminal, passwords are read without an echo
	Out   io.Writer
	Title string // empty: "packhouse setup"
}

// Run is the wizard and the manager for screen readers, and for terminals that cannot move their
// cursor: it asks one question per line, and only appends. If the input is not a terminal,
// passwords are read from it as lines.
//
// "back" goes back and "?" explains. The end of the input or of ctx ends the session.
func Run(ctx context.Context, o Options) (session.Outcome, error) {
	l := newMode(ctx, o)
	if file, ok := o.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fd := int(file.Fd())
		before, err := term.GetState(fd)
		if err != nil {
			return session.Outcome{}, fmt.Errorf("read the state of the terminal: %w", err)
		}
		defer func() { _ = term.Restore(fd, before) }() // a password may be asked for when ctx ends
		l.hide = func() func() { return echo.Off(fd) }
		l.secret = func() (string, error) {
			text, err := term.ReadPassword(fd)
			return string(text), err
		}
	}
	err := l.run()
	if errors.Is(err, ErrInputEnded) {
		err = nil // the outcome records what was written
		if l.session.Outcome.Stage == session.Asked {
			err = fmt.Errorf("%w: nothing was written; %s", ErrInputEnded, describe.WithoutQuestions(l.session))
		}
	} else {
		fmt.Fprint(o.Out, describe.Resume(l.session, " --accessible"))
	}
	err = errors.Join(err, l.session.Close(o.Out))
	return l.session.Outcome, err
}

// mode is the line mode: it drives a session with lines of text.
type mode struct {
	ctx      context.Context
	session  *session.Session
	options  Options
	in       io.Reader
	out      io.Writer
	secret   func() (string, error)  // reads a line without an echo
	hide     func() (restore func()) // switches the echo off before the first question
	wanted   chan bool               // requests a line; true: without an echo
	read     chan inputLine
	mistakes int  // number of errors reported so far
	advanced bool // advanced questions are asked too
	asked    bool // there are questions to go back to
	repaired bool // a refused configuration was repaired
}

// inputLine is a line of input.
type inputLine struct {
	text string
	err  error
}

func newMode(ctx context.Context, o Options) *mode {
	if o.Title == "" {
		o.Title = "packhouse setup"
	}
	l := &mode{
		ctx: ctx, session: session.New(o.Options), options: o, in: o.In, out: o.Out,
		wanted: make(chan bool), read: make(chan inputLine),
	}
	l.secret, l.hide = l.line, func() func() { return func() {} }
	go l.reader()
	return l
}

// reader reads a line each time one is wanted. It never reads ahead: the next line may be a
// password.
func (l *mode) reader() {
	for {
		var a inputLine
		select {
		case hidden := <-l.wanted:
			if hidden {
				a.text, a.err = l.secret()
			} else {
				a.text, a.err = l.line()
			}
		case <-l.ctx.Done():
			return
		}
		select {
		case l.read <- a:
		case <-l.ctx.Done():
			return
		}
	}
}

// maxAnswer bounds a line in bytes.
const maxAnswer = 64 << 10

func (l *mode) line() (string, error) {
	var text []byte
	var one [1]byte
	for len(text) < maxAnswer {
		n, err := l.in.Read(one[:])
		if n == 1 {
			if one[0] == '\n' {
				return strings.TrimSuffix(string(text), "\r"), nil
			}
			text = append(text, one[0])
			continue
		}
		if err != nil {
			if len(text) > 0 && errors.Is(err, io.EOF) {
				return string(text), nil
			}
			return "", err
		}
	}
	return "", errors.New("read an answer: the line is too long")
}

// readLine prints a prompt and waits for a line.
func (l *mode) readLine(prompt string, hidden bool) (string, error) {
	if hidden {
		defer l.hide()()
	}
	fmt.Fprint(l.out, prompt)
	select {
	case l.wanted <- hidden:
	case <-l.ctx.Done():
		return "", l.ctx.Err()
	}
	select {
	case a := <-l.read:
		if hidden {
			fmt.Fprintln(l.out)
		}
		if errors.Is(a.err, io.EOF) {
			fmt.Fprintln(l.out)
			return "", ErrInputEnded
		}
		if !hidden {
			a.text = strings.TrimSpace(a.text)
		}
		return a.text, a.err
	case <-l.ctx.Done():
		fmt.Fprintln(l.out)
		return "", l.ctx.Err()
	}
}

func (l *mode) say(format string, args ...any) {
	fmt.Fprintln(l.out, layout.Clean(fmt.Sprintf(format, args...)))
}

// mistake prints an error.
func (l *mode) mistake(format string, args ...any) {
	l.mistakes++
	l.say("Error: "+format, args...)
}

// finding prints a finding.
func (l *mode) finding(f finding.Finding) {
	switch f.Severity {
	case finding.Refused:
		l.mistake("%s", l.session.Options.Pasteable(f.Sentence()))
	case finding.Warning:
		l.say("Warning: %s", l.session.Options.Pasteable(f.Sentence()))
	case finding.Note:
		l.say("Note: %s", l.session.Options.Pasteable(f.Sentence()))
	}
}

// run runs the session to its end.
func (l *mode) run() error {
	s := l.session
	defer s.Finish()
	for {
		if s.Options.Begin != nil {
			b, err := s.Detect(l.ctx)
			if err != nil {
				return err
			}
			s.Begin(b)
		}
		if !s.Managed {
			if !s.Installed.Refused() {
				return l.wizard()
			}
			if repaired, err := l.repair(); err != nil || !repaired || s.Options.Begin == nil {
				return err
			}
			continue
		}
		if again, err := l.manage(); err != nil || !again {
			return err
		}
	}
}

// wizard asks all questions and applies the answers.
func (l *mode) wizard() error {
	s := l.session
	s.Open("")
	l.say("%s. Enter keeps the default, ? explains, back goes back. Nothing is written before the end.", l.options.Title)
	for _, f := range s.Intro() {
		l.finding(f)
	}
	if finding.AnyRefused(s.Outlook) {
		l.say("Nothing was written. Fix this, then start again.")
		return nil
	}
	return l.answerAll()
}

// answerAll asks the questions of the open steps, until the plan of the answers was applied or the
// user left it.
func (l *mode) answerAll() error {
	at := 0
	l.asked = true
	defer func() { l.asked = false }()
	for {
		done, err := l.questions(at)
		if !done {
			l.session.Keep()
		}
		if err != nil || !done {
			return err
		}
		next, err := l.review()
		if err != nil || next == finished {
			return err
		}
		at = 0
		if next == lastQuestion {
			at = 1 << 20
		}
	}
}

// words returns a sign in words.
func words(sign string) string {
	switch sign {
	case theme.Done:
		return "ok: "
	case theme.Caution:
		return "attention: "
	case theme.Failed:
		return "failed: "
	case theme.Unknown:
		return "unknown: "
	case theme.Note:
		return "note: "
	}
	return ""
}
