package tui

import (
	"context"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/session"
)

// managerScreen shows the state of an installation, and the tasks that can be done with it.
type managerScreen struct {
	*ui
	layout.Chooser      // among the tasks
	entered        bool // the first task was chosen
}

// asIsMsg carries the plan of an installation that is checked without changes.
type asIsMsg struct {
	plan *plan.Plan
	err  error
}

// Init implements screen.
func (g *managerScreen) Init() tea.Cmd { return nil }

// enter selects a task when the manager opens. Later it keeps the last selection.
func (g *managerScreen) enter(first session.TaskID) {
	if !g.entered {
		g.entered, g.At = true, int(first)
	}
}

// Update implements screen.
func (g *managerScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		return g.key(msg.name)
	case asIsMsg:
		if msg.err != nil {
			g.notice = session.Words(msg.err)
			return nil
		}
		g.session.Plan = msg.plan
		return g.open(checking)
	case upMsg:
		return g.serverUp(msg)
	case stoppedMsg:
		return g.serverStopped(msg)
	case removedMsg:
		return g.removed(msg)
	case goneMsg:
		return g.gone(msg)
	}
	return nil
}

func (g *managerScreen) key(name string) tea.Cmd {
	tasks := g.session.Tasks()
	if g.Key(name, len(tasks), g.height) {
		return nil
	}
	switch name {
	case "r":
		g.session.Unsaved = nil
		return g.home()
	case "enter", " ":
		if g.At >= len(tasks) || g.job != nil {
			return nil
		}
		if chosen := tasks[g.At]; chosen.Closed != "" {
			g.notice = chosen.Closed
			return nil
		}
		return g.run(tasks[g.At].ID)
	case "q":
		return g.finish()
	case "esc":
		if g.job != nil {
			g.cancelJob()
			g.notice = "stopped; r reads the state again"
			return nil
		}
		return g.finish()
	case "l":
		if g.session.Running != nil {
			return g.open(serving)
		}
	}
	return nil
}

// run carries out a task.
func (g *managerScreen) run(id session.TaskID) tea.Cmd {
	s := g.session
	s.Steps, s.Purpose = nil, session.ForAnswers
	switch id {
	case session.RenewTask:
		s.Answers.RotateCert = true
		return g.open(reviewing)
	case session.UsersTask:
		s.Resume("users")
		return g.open(asking)
	case session.SettingsTask:
		return g.openSettings()
	case session.RepairTask: // a configuration that is refused is repaired first
		if s.Installed.Refused() {
			return g.open(repairing)
		}
		return g.open(reviewing)
	case session.CheckTask:
		return g.checkAsIs()
	case session.RollbackTask:
		s.RollBack()
		return g.open(reviewing)
	case session.ServerTask:
		if s.State.Server.Up {
			return g.stopServer()
		}
		return g.startServer()
	case session.UninstallTask:
		return g.uninstall()
	}
	return nil
}

// checkAsIs checks the installation without changing it. The checks need a plan, which is not
// applied.
func (g *managerScreen) checkAsIs() tea.Cmd {
	makePlan := g.session.Planner()
	return g.start(g, "preparing the checks", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		planned, err := makePlan(ctx)
		return asIsMsg{planned, err}
	})
}

// Keys implements screen.
func (g *managerScreen) Keys(bool) []key.Binding {
	leave := bind("ctrl+c", "leave")
	if g.session.State == nil || g.job != nil { // the state may be outdated: start no task before it is known
		return []key.Binding{bind("r", "refresh"), bind("q", "leave"), leave}
	}
	keys := []key.Binding{bind("↑↓", "choose"), bind("enter", "do it"), bind("r", "refresh")}
	if g.session.Running != nil {
		keys = append(keys, bind("l", "log"), bind("q", "stop and leave"))
	} else {
		keys = append(keys, bind("q", "leave"))
	}
	return append(keys, bind("?", "help"), leave)
}

// Title implements screen.
func (g *managerScreen) Title() string { return "This installation" }

// Help implements screen.
func (g *managerScreen) Help() string { return managerHelp }

// View implements screen.
func (g *managerScreen) View(width, height int) ([]string, string) {
	if g.session.State == nil {
		return layout.Wrap("Reading this installation: its certificate, its users, its server.", width), ""
	}
	var items []string
	first, last := 0, 0
	for i, task := range g.session.Tasks() {
		if i == g.At {
			first = len(items)
		}
		items = append(items, g.taskLines(task, i == g.At, width)...)
		if i == g.At {
			last = len(items) - 1
		}
	}
	return g.Show(g.stateLines(width), items, first, last, height)
}
