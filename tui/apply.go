package tui

import (
	"context"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// applyScreen is shown while files are being written.
type applyScreen struct {
	*ui
	done  []string
	doing string
	err   error
	top   int
}

// Messages of the screen.
type (
	writingMsg struct{ verb, path string }
	appliedMsg struct{ result session.ApplyResult }
)

// Init implements screen: it applies the plan.
func (a *applyScreen) Init() tea.Cmd {
	a.done, a.doing, a.err, a.top = nil, "", nil, 0
	var emit func(tea.Msg)
	apply := a.session.Applier(func(verb, path string) { emit(writingMsg{verb, path}) })
	return a.start(a, "writing", func(ctx context.Context, send func(tea.Msg)) tea.Msg {
		emit = send
		return appliedMsg{apply(ctx)}
	})
}

// stop cancels the change, which is then undone.
func (a *applyScreen) stop() {
	a.job.cancel()
	a.doing = "stopping and undoing what was written"
}

// Update implements screen.
func (a *applyScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		switch {
		case msg.name == "esc" && a.job != nil:
			a.stop()
		case a.job != nil:
		case msg.name == "esc":
			return a.open(reviewing)
		case msg.name == "r":
			return a.open(applying)
		}
	case writingMsg:
		if a.doing != "" {
			a.done = append(a.done, a.doing)
		}
		a.doing = describe.Progress(msg.verb, msg.path)
	case appliedMsg:
		return a.applied(msg.result)
	}
	return nil
}

// applied continues after the plan was applied: usually with the checks.
func (a *applyScreen) applied(result session.ApplyResult) tea.Cmd {
	if result.Err != nil {
		a.err = result.Err
		return nil
	}
	next := a.session.Accept(result)
	if a.leaving != 0 {
		return nil
	}
	switch next {
	case session.Refused:
		cmd := a.startOver()
		a.notice = "the file is as it was before, and the server would not start with it"
		return cmd
	case session.Gone:
		cmd := a.askAgain()
		a.notice = "everything is as it was before; the answers are still here"
		return cmd
	case session.Check:
	}
	return a.open(checking)
}

// View implements screen.
func (a *applyScreen) View(width, height int) ([]string, string) {
	t := a.theme
	var lines []string
	for _, done := range a.done {
		lines = append(lines, layout.Cut(t.Good.Render(theme.Done)+" "+layout.Clean(done), width))
	}
	switch {
	case a.err != nil:
		for _, line := range layout.Hang(theme.Failed+" ", layout.Clean(session.Words(a.err)), width) {
			lines = append(lines, t.Bad.Render(line))
		}
		lines = append(lines, "")
		lines = append(lines, layout.Wrap("The installation is as it was before.", width)...)
	case a.doing != "":
		lines = append(lines, layout.Cut(a.spinner.View()+" "+layout.Clean(a.doing), width))
	}
	return layout.Scroll(lines, &a.top, len(lines)-1, height)
}

// Keys implements screen.
func (a *applyScreen) Keys(bool) []key.Binding {
	if a.err != nil {
		return []key.Binding{bind("r", "try again"), bind("esc", "back"), bind("ctrl+c", "leave")}
	}
	return []key.Binding{bind("esc", "stop"), bind("ctrl+c", "stop and leave")}
}

// Title implements screen.
func (a *applyScreen) Title() string { return "Writing" }

// Help implements screen.
func (a *applyScreen) Help() string { return generalHelp }
