package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/term"

	"packhouse/tui/describe"
	"packhouse/tui/session"
)

// Run opens the wizard and returns when the user leaves it. A server that it started has ended by
// then. The outcome reports success. An error is a failure of the terminal or of this program; the
// outcome then says what was done before it.
//
// SIGINT, SIGTERM, SIGHUP and the end of ctx close the wizard and restore the terminal. If files
// are being written, Run first waits until the change is complete or undone.
func Run(ctx context.Context, o Options) (outcome session.Outcome, err error) {
	if !term.IsTerminal(int(o.In.Fd())) || !term.IsTerminal(int(o.Out.Fd())) {
		return session.Outcome{}, ErrNoTerminal
	}
	before, err := term.GetState(int(o.In.Fd()))
	if err != nil {
		return session.Outcome{}, fmt.Errorf("read the state of the terminal: %w", err)
	}
	// Restore the terminal whatever happens below.
	defer func() { _ = term.Restore(int(o.In.Fd()), before) }()

	signals, stop := listen() // before the first frame: a signal or a resize may follow it at once
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := newModel(ctx, o.fill())
	size := sizeOf(o.Out)
	if now := size(nil, tea.WindowSizeMsg{}); now != nil { // the first frame fits
		_ = m.route(now)
	}
	listening, deaf := context.WithCancel(context.WithoutCancel(ctx))
	defer deaf()
	m.listening = listening
	defer func() {
		if cause := recover(); cause != nil {
			_, _ = o.Out.WriteString(leaveScreen)
			outcome, err = m.session.Outcome, caught(cause)
		}
		fmt.Fprint(o.Out, describe.Resume(m.session, ""))
		stopErr := m.session.Close(o.Out)
		err = errors.Join(err, stopErr)
	}()

	input := &hangup{File: o.In, gone: make(chan struct{})}
	program := tea.NewProgram(guarded{m}, tea.WithInput(input), tea.WithOutput(canvas(o.Out)), tea.WithAltScreen(),
		tea.WithoutSignalHandler(), tea.WithoutCatchPanics(), tea.WithFilter(size))
	m.quit = func() { go program.Quit() }
	finished := make(chan struct{})
	go signals.forward(ctx, program, input.gone, finished)
	_, err = program.Run()
	close(finished)
	if m.broken != nil {
		return m.session.Outcome, m.broken
	}
	return m.session.Outcome, err
}

// leaveScreen undoes what the terminal library switches on: the alternate screen, the hidden cursor
// and bracketed paste.
const leaveScreen = "\x1b[?2004l\x1b[?25h\x1b[?1049l\r\n"

// hangup is a terminal that reports when it has no more input. The terminal library would wait
// forever after the end of the input, and would quit at once after an error, even while files are
// written. hangup turns every error into the end of the input.
type hangup struct {
	*os.File
	gone chan struct{}
	sent bool // gone is closed
}

// Read implements io.Reader. The library reads from one goroutine at a time.
func (h *hangup) Read(into []byte) (int, error) {
	n, err := h.File.Read(into)
	if (err != nil || n == 0) && !h.sent {
		h.sent = true
		close(h.gone)
	}
	if err != nil {
		err = io.EOF
	}
	return n, err
}

// guarded recovers from panics in the model, which the terminal library would print to standard
// output.
type guarded struct{ *model }

// Init implements tea.Model.
func (g guarded) Init() (cmd tea.Cmd) {
	defer g.rescue(&cmd)
	return g.model.Init()
}

// Update implements tea.Model.
func (g guarded) Update(msg tea.Msg) (_ tea.Model, cmd tea.Cmd) {
	if g.broken != nil {
		return g, tea.Quit
	}
	defer g.rescue(&cmd)
	return g, g.update(msg)
}

// View implements tea.Model.
func (g guarded) View() (frame string) {
	if g.broken != nil {
		return ""
	}
	defer func() {
		if cause := recover(); cause != nil {
			g.broken = caught(cause)
			g.quit()
			frame = ""
		}
	}()
	return g.frame()
}

func (g guarded) rescue(cmd *tea.Cmd) {
	if cause := recover(); cause != nil {
		g.broken = caught(cause)
		*cmd = tea.Quit
	}
}
