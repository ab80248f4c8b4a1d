package tui

import (
	"context"
	"syscall"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// manager is the screen from which an installation is looked after: its state, and what can be done about it.
type manager struct {
	chooser      // among the tasks
	entered bool // the first task was chosen already
	on      bool // this sitting began with an installation, and comes back to it
	state   *installation.State
}

// goHome reads the installation again and shows its state. It stops a running job.
func (m *model) goHome() tea.Cmd {
	m.phase, m.plan = managing, nil
	m.manager.top = 0
	return m.beginAgain("looking at this installation")
}

// beginAnew goes to where the sitting begins: the state of the installation, or the first question.
func (m *model) beginAnew() tea.Cmd {
	if m.manager.on {
		return m.goHome()
	}
	if m.options.Begin == nil {
		return m.answer("")
	}
	m.phase, m.plan, m.review = beginning, nil, review{}
	return m.beginAgain("looking at this machine")
}

func (m *model) beginAgain(doing string) tea.Cmd {
	return m.start(doing, func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		b, err := m.lookAround(ctx)
		return begunMsg{b, err}
	})
}

// firstTask returns the task that the manager offers first: repair where the server refuses its
// configuration, start where no server runs, otherwise the first one.
func (m *model) firstTask() taskID {
	tasks := m.tasks()
	switch server := m.manager.state.Server; {
	case m.installed.Refused():
		return repairTask
	case !server.Up && tasks[serverTask].closed == "":
		return serverTask
	}
	return renewTask
}

// enter selects a task when the manager opens. Later it keeps the last selection.
func (g *manager) enter(first taskID) {
	if !g.entered {
		g.entered, g.at = true, int(first)
	}
}

// answer opens the questions of one step, or of all.
func (m *model) answer(only string) tea.Cmd {
	m.forms, m.settings.on = nil, false
	for _, step := range m.options.Steps {
		if only == "" || step.ID == only {
			m.forms = append(m.forms, newForm(m, step))
		}
	}
	m.reached = 0
	m.enterStep(0)
	return nil
}

func (m *model) rotate() tea.Cmd {
	m.forms = nil
	m.answers.RotateCert = true
	return m.startReview()
}

// rewrite restores files that are missing or differ. A configuration that is refused is repaired first.
func (m *model) rewrite() tea.Cmd {
	if m.installed.Refused() {
		return m.openRepair()
	}
	m.forms = nil
	return m.startReview()
}

// checkOnly proves the installation as it is. The plan is made for what the checks learn from it, and not applied.
func (m *model) checkOnly() tea.Cmd {
	m.forms, m.review = nil, review{}
	resolved := m.resolved()
	return m.start("getting ready", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		planned, err := m.options.Plan(ctx, resolved)
		return proveMsg{planned, err}
	})
}

// proveMsg carries the plan of an installation that is checked without changes.
type proveMsg struct {
	plan *plan.Plan
	err  error
}

func (m *model) proveAsIs(msg proveMsg) tea.Cmd {
	if msg.err != nil {
		m.notice = inWords(msg.err)
		return nil
	}
	m.plan = msg.plan
	return m.startChecks()
}

// planRollback shows the changes of a rollback. Nothing is restored before confirmation.
func (m *model) planRollback() tea.Cmd {
	if m.options.Rollback == nil {
		return nil
	}
	m.forms = nil
	m.phase, m.plan, m.review = reviewing, nil, review{back: true}
	return m.start("looking at the backup", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		planned, err := m.options.Rollback(ctx)
		return plannedMsg{planned, err}
	})
}

// canGoBack reports whether a change of this session failed its checks and a backup exists.
func (m *model) canGoBack() bool {
	return m.options.Rollback != nil && m.outcome.Applied != nil && m.job == nil &&
		(m.checks.startErr != nil || m.checks.report != nil && m.checks.report.Worst() == check.Failed)
}

func (m *model) managerKey(name string) tea.Cmd {
	g := &m.manager
	tasks := m.tasks()
	if g.key(name, len(tasks), m.height) {
		return nil
	}
	switch name {
	case "r":
		m.kept = nil
		return m.goHome()
	case "enter", " ":
		if g.at >= len(tasks) || m.job != nil {
			return nil
		}
		if chosen := tasks[g.at]; chosen.closed != "" {
			m.notice = chosen.closed
			return nil
		}
		return tasks[g.at].run()
	case "q":
		return m.finish()
	case "esc":
		if m.job != nil {
			m.cancelJob()
			m.notice = "stopped; r looks again"
			return nil
		}
		return m.finish()
	case "l":
		if m.running != nil {
			return m.openLog()
		}
	}
	return nil
}

func (m *model) managerKeys() []key.Binding {
	if m.manager.state == nil || m.job != nil { // the state may be outdated: start no task before it is known
		return []key.Binding{bind("r", "look again"), bind("q", "leave")}
	}
	keys := []key.Binding{bind("↑↓", "choose"), bind("enter", "do it"), bind("r", "look again")}
	if m.running != nil {
		keys = append(keys, bind("l", "log"), bind("q", "stop and leave"))
	} else {
		keys = append(keys, bind("q", "leave"))
	}
	return append(keys, bind("?", "help"))
}

func (m *model) managerBody(width, height int) ([]string, string) {
	if m.manager.state == nil {
		return layout.Wrap("Looking at this installation: its certificate, its users, its server.", width), ""
	}
	g := &m.manager
	var items []string
	first, last := 0, 0
	for i, job := range m.tasks() {
		if i == g.at {
			first = len(items)
		}
		items = append(items, m.taskLines(job, i == g.at, width)...)
		if i == g.at {
			last = len(items) - 1
		}
	}
	return g.show(m.stateLines(width), items, first, last, height)
}

// taskLines draw one task. The description of the selected one is shown in full, below it if there is no room beside it.
func (m *model) taskLines(job task, chosen bool, width int) []string {
	t := m.theme
	const nameWidth = 22
	pointer, style := "  ", t.Plain
	if chosen {
		pointer, style = t.Accent.Render(theme.Pointer)+" ", t.Selected
	}
	text := clean(job.text)
	if job.closed != "" {
		text = "not now: " + clean(job.closed)
		if !chosen {
			style = t.Muted
		}
	}
	room := width - nameWidth - 3
	if !chosen && room < nameWidth { // no column for it, and a word or two of it say nothing
		return []string{layout.Cut(pointer+style.Render(job.name), width)}
	}
	if !chosen || ansi.StringWidth(text) <= room {
		return []string{layout.Cut(pointer+style.Render(layout.Pad(job.name, nameWidth))+" "+t.Muted.Render(text), width)}
	}
	if room >= nameWidth { // there is a column for it
		var lines []string
		name := style.Render(layout.Pad(job.name, nameWidth))
		for _, line := range layout.Wrap(text, room) {
			lines = append(lines, layout.Cut(pointer+name+" "+t.Muted.Render(line), width))
			pointer, name = "  ", layout.Pad("", nameWidth)
		}
		return lines
	}
	lines := []string{layout.Cut(pointer+style.Render(job.name), width)}
	for _, line := range layout.Wrap(text, width-4) {
		lines = append(lines, "    "+t.Muted.Render(line))
	}
	return lines
}

// homeOr goes back to the manager, where the sitting began with it.
func (m *model) homeOr(otherwise func() tea.Cmd) tea.Cmd {
	if m.manager.on {
		return m.goHome()
	}
	return otherwise()
}

func (m *model) hangUp() tea.Cmd { return m.leave(syscall.SIGINT) }
