package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"packhouse/finding"
	"packhouse/tui/echo"
	"packhouse/tui/theme"
)

// errNoMore reports the end of the input.
var errNoMore = errors.New("the input has ended")

// RunLines is the wizard, and the manager, for screen readers and for terminals that cannot move their cursor: it asks one question a line and
// only ever appends. The questions, the plan and the checks are the ones of [Run]. In may be no terminal; then passwords are lines of it too.
//
// "back" goes back, "?" explains, and the end of the input ends it with nothing written. The end of ctx ends it, wherever it is.
func RunLines(ctx context.Context, o Options) (Outcome, error) {
	o = o.fill()
	l := newLines(ctx, o, o.In, o.Out)
	if fd := int(o.In.Fd()); term.IsTerminal(fd) {
		before, err := term.GetState(fd)
		if err != nil {
			return Outcome{}, fmt.Errorf("read the state of the terminal: %w", err)
		}
		defer func() { _ = term.Restore(fd, before) }() // a password may be asked for when ctx ends
		l.hide = func() func() { return echo.Off(fd) }
		l.secret = func() (string, error) {
			text, err := term.ReadPassword(fd)
			return string(text), err
		}
	}
	err := l.run()
	if errors.Is(err, errNoMore) {
		err = nil // the outcome records what was written
		if l.m.outcome.Stage == Asked {
			err = fmt.Errorf("%w: nothing was written; %s", errNoMore, l.m.afterTheInput())
		}
	} else {
		l.m.howToResume(o.Out, " --accessible")
	}
	err = errors.Join(err, l.m.stopServer(o.Out))
	return l.m.outcome, err
}

// lines is the wizard as lines. The model keeps answers, plan and outcome; nothing of it is drawn.
type lines struct {
	ctx      context.Context
	m        *model
	in       io.Reader
	out      io.Writer
	secret   func() (string, error)  // reads a line without an echo
	hide     func() (restore func()) // switches the echo off before the first question
	wanted   chan bool               // requests a line; true: without an echo
	read     chan inputLine
	mistakes int  // that were reported so far
	further  bool // the questions that few people need are asked too
	asked    bool // there are questions to go back to
	write    bool // the user confirmed
}

// inputLine is a line of input.
type inputLine struct {
	text string
	err  error
}

func newLines(ctx context.Context, o Options, in io.Reader, out io.Writer) *lines {
	o.NoColour = true
	if o.Out == nil {
		o.Out = os.Stderr
	}
	l := &lines{ctx: ctx, m: newModel(ctx, o), in: in, out: out, wanted: make(chan bool), read: make(chan inputLine)}
	l.secret, l.hide = l.line, func() func() { return func() {} }
	go l.reader()
	return l
}

// reader reads a line each time one is wanted, and no byte ahead: what comes next may be a password.
func (l *lines) reader() {
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

func (l *lines) line() (string, error) {
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

// hear waits for a line.
func (l *lines) hear(prompt string, hidden bool) (string, error) {
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
			return "", errNoMore
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

func (l *lines) say(format string, args ...any) {
	fmt.Fprintln(l.out, clean(fmt.Sprintf(format, args...)))
}

// mistake reports a wrong input or a failure.
func (l *lines) mistake(format string, args ...any) {
	l.mistakes++
	l.say("Error: "+format, args...)
}

// finding says what is wrong, in words and not by a sign.
func (l *lines) finding(f finding.Finding) {
	switch f.Severity {
	case finding.Refused:
		l.mistake("%s", l.m.options.Pasteable(f.Sentence()))
	case finding.Warning:
		l.say("Warning: %s", l.m.options.Pasteable(f.Sentence()))
	case finding.Note:
		l.say("Note: %s", l.m.options.Pasteable(f.Sentence()))
	}
}

// run goes from the beginning to the end.
func (l *lines) run() error {
	m := l.m
	defer func() { _ = m.finish() }()
	for {
		if m.options.Begin != nil {
			b, err := m.lookAround(l.ctx)
			if err != nil {
				return err
			}
			m.take(b)
		}
		if !m.manager.on {
			if !m.installed.Refused() {
				return l.wizard()
			}
			if right, err := l.repair(); err != nil || !right || m.options.Begin == nil {
				return err
			}
			continue
		}
		if again, err := l.manage(); err != nil || !again {
			m.outcome.Managed = true
			return err
		}
	}
}

// wizard asks everything, and does it.
func (l *lines) wizard() error {
	m := l.m
	_ = m.answer("")
	l.say("%s. Enter keeps the default, ? explains, back goes back. Nothing is written before the end.", m.options.Title)
	if m.installed.Exists() {
		l.say("Note: an installation is in %s; the answers are what it has now, and only what you change is changed", m.installed.Dir)
	}
	for _, f := range m.findings {
		if !m.asks(f.Question) {
			l.finding(f)
		}
	}
	for _, f := range m.outlook {
		l.finding(flagged(f))
	}
	if finding.AnyRefused(m.outlook) {
		l.say("Nothing was written. Put this right, then start again.")
		return nil
	}
	return l.answerAll("")
}

// answerAll asks the questions of a step, or all, until the plan of the answers was carried out or left.
func (l *lines) answerAll(only string) error {
	at := 0
	l.asked = true
	defer func() { l.asked = false }()
	for {
		done, err := l.questions(only, at)
		if !done {
			l.m.keepAnswers()
		}
		if err != nil || !done {
			return err
		}
		next, err := l.review(l.m.plan0)
		if err != nil || next == over {
			return err
		}
		at = 0
		if next == back {
			at = 1 << 20 // the last question
		}
	}
}

// words of a sign, for those who do not see it.
func words(sign string) string {
	switch sign {
	case theme.Done:
		return "well: "
	case theme.Caution:
		return "attention: "
	case theme.Failed:
		return "wrong: "
	case theme.Unknown:
		return "not known: "
	case theme.Note:
		return "note: "
	}
	return ""
}
