package tui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/installation"
	"packhouse/tui/session"
)

// Messages of the tasks that start and stop the server and uninstall.
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

// startServer starts the server on the installation as it is, and shows its log if it runs here.
func (g *managerScreen) startServer() tea.Cmd {
	makePlan, start := g.session.Planner(), g.session.Starter()
	return g.start(g, "starting the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		planned, err := makePlan(ctx)
		if err != nil {
			return upMsg{err: err}
		}
		running, err := start(ctx, planned)
		return upMsg{running, err}
	})
}

func (g *managerScreen) serverUp(msg upMsg) tea.Cmd {
	fresh := g.session.Started(msg.running, msg.err)
	if msg.err != nil {
		g.notice = "the server did not start: " + session.Words(msg.err)
		return nil
	}
	if msg.running == nil {
		cmd := g.home()
		g.notice = "the server is running"
		return cmd
	}
	g.session.Outcome.Card.URL = g.session.State.URL
	if !fresh {
		return g.open(serving)
	}
	return tea.Batch(g.open(serving), g.watchServer())
}

// stopServer stops the server, in this process or elsewhere.
func (g *managerScreen) stopServer() tea.Cmd {
	stop := g.session.Stopper(g.session.State.Server.Here)
	return g.start(g, "stopping the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		return stoppedMsg{stop(ctx)}
	})
}

func (g *managerScreen) serverStopped(msg stoppedMsg) tea.Cmd {
	g.session.Stopped()
	cmd := g.home()
	g.notice = "the server is stopped"
	if msg.err != nil {
		g.notice = "the server is not stopped: " + msg.err.Error()
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

// uninstall lends the terminal to "packhouse uninstall", which shows what it would remove and asks
// for confirmation.
func (g *managerScreen) uninstall() tea.Cmd {
	command := g.session.Options.Uninstall()
	words := &lastWords{}
	if g.options.Out != nil {
		command.Stdin, command.Stdout = g.options.In, g.options.Out // the terminal itself: the command asks on it
		command.Stderr = io.MultiWriter(g.options.Out, words)
	}
	return g.exec(command, func(err error) tea.Msg { return mailMsg{g, removedMsg{err, words.String()}} })
}

// removed reads what is left after an uninstall.
func (g *managerScreen) removed(msg removedMsg) tea.Cmd {
	reread := g.session.Options.Reread
	return g.start(g, "reading what is left", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		if reread == nil {
			return goneMsg{removed: msg}
		}
		installed, err := reread(ctx)
		msg.err = errors.Join(msg.err, err)
		return goneMsg{msg, installed}
	})
}

// gone leaves the program if the installation was removed, and otherwise says why it was not.
func (g *managerScreen) gone(msg goneMsg) tea.Cmd {
	if msg.removed.err == nil && !msg.installed.Exists() {
		g.session.Outcome.Removed = true
		return g.finish()
	}
	cmd := g.home()
	g.notice = "not uninstalled"
	for line := range strings.Lines(msg.removed.words) {
		if _, said, ok := strings.Cut(strings.TrimSpace(line), "error: "); ok {
			g.notice = "not uninstalled: " + said
		}
	}
	return cmd
}

// endedMsg reports that a server has ended.
type endedMsg struct{ running installation.Running }

// watchServer reports when the server ends.
func (u *ui) watchServer() tea.Cmd {
	running, done := u.session.Running, u.ctx.Done()
	return u.watch(func() tea.Msg {
		select {
		case <-running.Done():
			return endedMsg{running}
		case <-done:
			return nil
		}
	})
}
