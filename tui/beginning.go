package tui

import (
	"context"
	"syscall"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
	"packhouse/tui/session"
)

// beginningScreen is shown while the machine and the installation are read.
type beginningScreen struct{ *ui }

// begunMsg carries what the session begins with.
type begunMsg struct {
	beginning session.Beginning
	err       error
}

// Init implements screen. The manager stays on the screen meanwhile.
func (b *beginningScreen) Init() tea.Cmd {
	doing := "reading this machine"
	if b.session.Managed {
		doing = "reading this installation"
	}
	detect := b.session.Detect
	return b.start(b, doing, func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		detected, err := detect(ctx)
		return begunMsg{detected, err}
	})
}

// Update implements screen.
func (b *beginningScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		if msg.name == "esc" {
			return b.leave(syscall.SIGINT)
		}
	case begunMsg:
		if msg.err != nil {
			b.notice, b.session.State = msg.err.Error(), nil
			return nil
		}
		b.session.Begin(msg.beginning)
		return b.begun()
	}
	return nil
}

// View implements screen.
func (b *beginningScreen) View(width, _ int) ([]string, string) {
	if b.notice != "" {
		return layout.Wrap(layout.Clean(b.notice), width), ""
	}
	return layout.Wrap("Reading this machine: its names, its addresses, what is installed.", width), ""
}

// Keys implements screen.
func (b *beginningScreen) Keys(bool) []key.Binding { return []key.Binding{bind("ctrl+c", "leave")} }

// Title implements screen.
func (b *beginningScreen) Title() string { return "One moment" }

// Help implements screen.
func (b *beginningScreen) Help() string { return generalHelp }
