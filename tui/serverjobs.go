package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// Messages of the tasks that start and stop the server, and of uninstalling.
type (
	upMsg struct {
		running installation.Running
		err     error
	}
	stoppedMsg struct{ err error }
	removedMsg struct {
		err   error
		words string // the end of the command's standard error
	}
	goneMsg struct {
		removed   removedMsg
		installed *installation.Installed
	}
)

// launch has the server run on a plan. The server outlives ctx and ends by Shutdown; the end of ctx
// cancels only its start.
func (m *model) launch(
	ctx context.Context, planned *plan.Plan, before installation.Running,
) (installation.Running, error) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(ctx, cancel)
	running, err := m.options.Start(life, planned)
	if running != nil {
		m.up.Store(&running)
	}
	if !release() && running != nil && running != before { // cancelled meanwhile: nothing waits for the server
		return running, ctx.Err()
	}
	return running, err
}

// startServer starts the server on the installation as it is, and shows its log if it runs here.
func (m *model) startServer() tea.Cmd {
	m.forms, m.review = nil, review{}
	resolved, before := m.resolved(), m.running
	if before != nil && ended(before) {
		m.running, before = nil, nil
	}
	return m.start("starting the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		planned, err := m.options.Plan(ctx, resolved)
		if err != nil {
			return upMsg{err: err}
		}
		running, err := m.launch(ctx, planned, before)
		return upMsg{running, err}
	})
}

func (m *model) serverUp(msg upMsg) tea.Cmd {
	before := m.running
	if msg.running != nil {
		m.running = msg.running
	}
	if msg.err != nil {
		m.notice = "the server did not start: " + inWords(msg.err)
		return nil
	}
	if msg.running == nil {
		cmd := m.goHome()
		m.notice = "the server is running"
		return cmd
	}
	m.outcome.Card.URL = m.manager.state.URL
	if before == msg.running {
		return m.openLog()
	}
	return tea.Batch(m.openLog(), m.watchServer())
}

// stopHere stops the server that runs in this program.
func (m *model) stopHere() tea.Cmd {
	running := m.running
	return m.start("stopping the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		if running == nil {
			return stoppedMsg{}
		}
		return stoppedMsg{running.Shutdown(ctx)}
	})
}

// stopElsewhere stops a server that another program started.
func (m *model) stopElsewhere() tea.Cmd {
	return m.start("stopping the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		return stoppedMsg{m.options.Stop(ctx)}
	})
}

func (m *model) serverStopped(msg stoppedMsg) tea.Cmd {
	if m.running != nil && ended(m.running) {
		m.running = nil
	}
	cmd := m.goHome()
	m.notice = "the server is stopped"
	if msg.err != nil {
		m.notice = "the server is not stopped: " + msg.err.Error()
	}
	return cmd
}

// mostWords bounds in bytes what is kept of the messages of another program.
const mostWords = 4 << 10

// lastWords keeps the end of what is written to it.
type lastWords struct{ bytes.Buffer }

// Write implements io.Writer.
func (w *lastWords) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if over := w.Len() - mostWords; over > 0 {
		w.Next(over)
	}
	return n, err
}

// uninstall lends the terminal to "packhouse uninstall", which shows what it would remove and asks.
func (m *model) uninstall() tea.Cmd {
	command := m.options.Uninstall()
	words := &lastWords{}
	if m.options.Out != nil {
		command.Stdin, command.Stdout = m.options.In, m.options.Out // the terminal itself: the command asks on it
		command.Stderr = io.MultiWriter(m.options.Out, words)
	}
	return m.exec(command, func(err error) tea.Msg { return removedMsg{err, words.String()} })
}

// removed reads what is left after an uninstall.
func (m *model) removed(msg removedMsg) tea.Cmd {
	return m.start("looking at what is left", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		if m.options.Reread == nil {
			return goneMsg{removed: msg}
		}
		installed, err := m.options.Reread(ctx)
		msg.err = errors.Join(msg.err, err)
		return goneMsg{msg, installed}
	})
}

// gone leaves the program if the installation was removed, and otherwise says why it was not.
func (m *model) gone(msg goneMsg) tea.Cmd {
	if msg.removed.err == nil && !msg.installed.Exists() {
		m.outcome.Removed = true
		return m.finish()
	}
	cmd := m.goHome()
	m.notice = "not uninstalled"
	for line := range strings.Lines(msg.removed.words) {
		if _, said, ok := strings.Cut(strings.TrimSpace(line), "error: "); ok {
			m.notice = "not uninstalled: " + said
		}
	}
	return cmd
}
