package tui

import (
	"context"
	"syscall"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// manager is the screen from which an installation is looked after: its state, and what can be done about it.
type manager struct {
	chooser      // among the jobs
	on      bool // this sitting began with an installation, and comes back to it
	state   *setup.State
}

// task is one thing that can be done to an installation.
type task struct {
	name, text string
	closed     string // why it cannot be done now; empty: it can
	run        func() tea.Cmd
}

// Places among the tasks.
const (
	settingsTask = 2
	repairTask   = 3
)

// tasks lists what can be done, the most frequent first.
func (m *model) tasks() []task {
	s := m.manager.state
	if s == nil {
		return nil
	}
	tasks := []task{
		{name: "Renew the certificate", text: "same names, same key; clients notice nothing", run: m.rotate},
		{name: "Users", text: "add, change, remove", run: func() tea.Cmd { return m.resume("users") }},
		{name: "Settings", text: "the wizard, with the answers it has now", run: func() tea.Cmd { return m.resume("") }},
		{name: "Repair", text: "write missing files anew, put modes right", run: m.rewrite},
		{name: "Check", text: "prove that everything works", run: m.checkOnly},
		{name: "Roll back", text: "to the files before the last change", run: m.planRollback},
	}
	if m.kept != nil {
		tasks[settingsTask].text = "the wizard, with what you changed before; r forgets it"
	}
	if !s.Server.Up && s.Server.Problem == "" {
		tasks[4].text = "start the server, and prove that everything works"
	}
	if m.installed.Refused() {
		tasks[repairTask].text = "shows what is wrong with myconfig.yml, and ways to put it right"
	}
	switch {
	case s.TLS == setup.LetsEncrypt:
		tasks[0].closed = "the server orders it and renews it in time, by itself; packhouse cert show tells how it stands"
	case s.TLS == setup.Off:
		tasks[0].closed = "TLS is off, so there is none: Settings, TLS"
	case s.Certificate == nil && s.TLS == setup.Files:
		tasks[0].closed = "this certificate is yours, and its files cannot be read: put them in their place"
	case s.Certificate == nil:
		tasks[0].closed = "its files cannot be read: Repair makes them anew"
	case !s.Certificate.Made:
		tasks[0].closed = "this certificate is yours: put new files in its place"
	}
	switch {
	case s.Backup.IsZero() || m.options.Rollback == nil:
		tasks[5].closed = "nothing was kept"
	case !s.Before:
		tasks[5].text = "takes away again what the first setup wrote"
	default:
		tasks[5].text = "to the files from before " + s.Backup.Local().Format(time.DateTime)
	}
	why := ""
	for _, finding := range m.findings {
		if finding.Severity == setup.Refused {
			why = "not before this is put right: " + finding.What
			break
		}
	}
	if m.installed.Refused() {
		why = "the server refuses " + setupConfig + "; Repair first"
	}
	for i := range tasks[:len(tasks)-1] { // going back is a way out
		way := settingsTask // where answers are put right
		if m.installed.Refused() {
			way = repairTask
		}
		if why != "" && i != way {
			tasks[i].closed = why
		}
	}
	return tasks
}

// goHome looks at the installation anew and shows its state. A job that runs is stopped.
func (m *model) goHome() tea.Cmd {
	m.phase, m.plan = managing, nil
	m.manager.top, m.manager.moved = 0, false
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

// answer opens the questions of one step, or of all.
func (m *model) answer(only string) tea.Cmd {
	m.forms = nil
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

// rewrite writes what is missing or differs; a configuration that is refused is put right first.
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
		plan, err := m.options.Plan(ctx, resolved)
		return proveMsg{plan, err}
	})
}

// proveMsg brings the plan of an installation that is to be proven as it is.
type proveMsg struct {
	plan *setup.Plan
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

// planRollback shows what going back would change. Nothing is put back before that was confirmed.
func (m *model) planRollback() tea.Cmd {
	if m.options.Rollback == nil {
		return nil
	}
	m.forms = nil
	m.phase, m.plan, m.review = reviewing, nil, review{back: true}
	return m.start("looking at the backup", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		plan, err := m.options.Rollback(ctx)
		return plannedMsg{plan, err}
	})
}

// canGoBack tells that a change of this sitting did not pass its checks, and that what was before is kept.
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
		if g.reveal() {
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
	if m.manager.state == nil || m.job != nil { // what is there may be another state by now: nothing is done to it before that is known
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
	lines := append(m.stateLines(width), "")
	g := &m.manager
	first, last := 0, 0
	for i, job := range m.tasks() {
		if i == g.at {
			first = len(lines)
		}
		lines = append(lines, m.taskLines(job, i == g.at, width)...)
		if i == g.at {
			last = len(lines) - 1
		}
	}
	return g.show(lines, first, last, height)
}

// taskLines draw one thing that can be done. What the chosen one means is told whole, below it where there is no room beside.
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
