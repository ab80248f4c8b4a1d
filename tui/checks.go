package tui

import (
	"context"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/spelling"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// checks is the screen on which the installation is proven.
type checks struct {
	rows     []checkRow
	total    int
	startErr error // why the server did not start
	report   *check.Report
	top      int
	held     bool // the user scrolled: the view no longer follows
}

type checkRow struct {
	id, title, doing string
	result           *check.Result
}

// Messages of a run of the checks.
type (
	startedMsg struct {
		running installation.Running
		err     error
	}
	checkMsg  struct{ event check.Event }
	provedMsg struct {
		report check.Report
		card   plan.Card
	}
	endedMsg struct{ running installation.Running }
)

// startChecks starts the server, unless it runs, and lets everything be proven.
func (m *model) startChecks() tea.Cmd {
	m.phase, m.checks = checking, checks{}
	if m.running != nil && ended(m.running) {
		m.running = nil
	}
	before, planned := m.running, m.plan
	return m.start("starting the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		running, err := m.launch(ctx, planned, before)
		return startedMsg{running, err}
	})
}

func ended(running installation.Running) bool {
	select {
	case <-running.Done():
		return true
	default:
		return false
	}
}

func (m *model) started(msg startedMsg) tea.Cmd {
	before := m.running
	m.running, m.checks.startErr = msg.running, msg.err
	if msg.err != nil {
		if m.running == nil && before != nil && !ended(before) {
			m.running = before // it keeps its last good state
		}
		return nil
	}
	if m.running == nil || m.running == before {
		return m.prove()
	}
	return tea.Batch(m.prove(), m.watchServer())
}

func (m *model) prove() tea.Cmd {
	planned, machine, options, hands := m.plan, m.machine, m.options, !m.review.aside()
	cmd := m.start("checking", func(ctx context.Context, emit func(tea.Msg)) tea.Msg {
		msg := provedMsg{report: options.Prove(ctx, planned, func(event check.Event) { emit(checkMsg{event}) })}
		if hands {
			msg.card = cardOf(ctx, options, machine, planned)
		}
		return msg
	})
	m.job.slow = true // the rows show what is done from the beginning, so the spinner may turn
	return tea.Batch(cmd, m.turn())
}

// watchServer reports when the server ends by itself.
func (m *model) watchServer() tea.Cmd {
	running, done := m.running, m.ctx.Done()
	return m.watch(func() tea.Msg {
		select {
		case <-running.Done():
			return endedMsg{running}
		case <-done:
			return nil
		}
	})
}

func (m *model) serverEnded(msg endedMsg) tea.Cmd {
	if msg.running == m.running {
		m.notice = "the server has ended; its log says why"
	}
	return nil
}

func (c *checks) event(event check.Event) {
	c.total = max(c.total, event.Total)
	for len(c.rows) <= event.Index && event.Index < 1000 {
		c.rows = append(c.rows, checkRow{})
	}
	if event.Index < 0 || event.Index >= len(c.rows) {
		return
	}
	row := &c.rows[event.Index]
	row.id, row.title, row.doing = event.ID, event.Title, event.Doing
	if event.Result != nil {
		row.result = event.Result
	}
}

func (m *model) proved(msg provedMsg) {
	if m.job != nil && m.job.ctx.Err() != nil {
		return // it was stopped, so its result proves nothing
	}
	m.log.refresh(m.options.Log)
	m.countLog() // the job is still running: log lines so far come from the checks
	m.checks.report = &msg.report
	m.checks.rows = m.checks.rows[:0]
	for _, result := range msg.report.Results {
		m.checks.rows = append(m.checks.rows, checkRow{id: result.ID, title: result.Title, result: &result})
	}
	m.outcome.Report = msg.report
	if m.review.aside() {
		return
	}
	m.outcome.Stage = Proved
	m.takeCard(msg.card)
}

func (m *model) checksKey(name string) tea.Cmd {
	c := &m.checks
	switch name {
	case "up", "k":
		c.top, c.held = c.top-1, true
	case "down", "j":
		c.top, c.held = c.top+1, true
	case "pgup":
		c.top, c.held = c.top-m.height/2, true
	case "pgdown", " ":
		c.top, c.held = c.top+m.height/2, true
	case "r":
		if m.job == nil {
			return m.startChecks()
		}
	case "esc":
		if m.job != nil {
			m.cancelJob()
			m.notice = "stopped; what was written stays. r runs the checks again"
			return nil
		}
		return m.askAgain()
	case "b":
		if m.canGoBack() {
			return m.planRollback()
		}
	case "enter":
		switch {
		case m.job != nil || c.report == nil:
		case m.review.mend:
			return m.beginAnew()
		case m.review.back: // there is nothing new to hand over
			return m.homeOr(m.finish)
		default:
			m.showCard()
		}
	}
	return nil
}

func (m *model) checksKeys() []key.Binding {
	switch {
	case m.job != nil:
		return []key.Binding{bind("esc", "stop"), bind("↑↓", "scroll"), bind("ctrl+c", "leave; what was written stays")}
	case m.checks.report != nil:
		keys := []key.Binding{bind("enter", "go on"), bind("r", "again")}
		if m.canGoBack() {
			keys = append(keys, bind("b", "roll back"))
		}
		return append(keys, m.wayBack(), bind("↑↓", "scroll"), bind("ctrl+c", "leave"))
	}
	keys := []key.Binding{bind("r", "try again")}
	if m.canGoBack() {
		keys = append(keys, bind("b", "roll back"))
	}
	return append(keys, m.wayBack(), bind("ctrl+c", "leave"))
}

// wayBack handles Esc after the checks.
func (m *model) wayBack() key.Binding {
	if len(m.forms) == 0 && m.manager.on {
		return bind("esc", "back")
	}
	return bind("esc", "change answers")
}

func (m *model) checksBody(width, height int) ([]string, string) {
	lines, focus := m.allChecks(width)
	if len(lines) > height {
		lines, focus = m.worstChecks(width)
	}
	if m.checks.held {
		focus = -1
	}
	return scroll(lines, &m.checks.top, focus, height)
}

// allChecks draws every check in its order, with the summary at the end.
func (m *model) allChecks(width int) (lines []string, focus int) {
	lines, focus = m.startLines(width), -1
	for _, row := range m.checks.rows {
		lines = append(lines, m.checkLines(row, width)...)
		if row.result == nil && row.doing != "" {
			focus = len(lines) - 1
		}
	}
	for i := len(m.checks.rows); i < m.checks.total; i++ {
		lines = append(lines, m.theme.Muted.Render(theme.Ahead+" …"))
	}
	if m.checks.report != nil {
		lines = append(append(lines, ""), m.summaryLines(width)...)
	}
	return lines, focus
}

// worstChecks draws the checks for a window that cannot hold all of them: it keeps
// failed, warning and unproven checks visible, above those that passed.
func (m *model) worstChecks(width int) (lines []string, focus int) {
	lines = m.startLines(width)
	if m.checks.report != nil {
		lines = append(append(lines, m.summaryLines(width)...), "")
	}
	passed, ahead := 0, max(m.checks.total-len(m.checks.rows), 0)
	for _, status := range []check.Status{check.Failed, check.Warning, check.NotProven} {
		for _, row := range m.checks.rows {
			if row.result != nil && row.result.Status == status {
				lines = append(lines, m.checkLines(row, width)...)
			}
		}
	}
	focus = -1
	for _, row := range m.checks.rows {
		switch {
		case row.result == nil && row.doing != "":
			lines = append(lines, m.checkLines(row, width)...)
			focus = len(lines) - 1
		case row.result == nil:
			ahead++
		case row.result.Status == check.Passed:
			passed++
		}
	}
	if m.checks.report == nil { // passed checks are listed at the end only, to leave room for the others
		for _, count := range []struct {
			n     int
			sign  string
			words string
		}{{passed, m.theme.Good.Render(theme.Done), "passed"}, {ahead, m.theme.Muted.Render(theme.Ahead), "to come"}} {
			if count.n > 0 {
				lines = append(lines, layout.Cut(count.sign+" "+spelling.Count(count.n, "check")+" "+count.words, width))
			}
		}
		return lines, focus
	}
	for _, row := range m.checks.rows {
		if row.result != nil && row.result.Status == check.Passed {
			lines = append(lines, m.checkLines(row, width)...)
		}
	}
	return lines, focus
}

func (m *model) summaryLines(width int) []string {
	lines := layout.Wrap(summary(*m.checks.report), width)
	for i := range lines {
		lines[i] = m.theme.Title.Render(lines[i])
	}
	return lines
}

// startLines report that the server is being started, or why it did not start.
func (m *model) startLines(width int) []string {
	switch {
	case m.checks.startErr != nil:
		lines := layout.Hang(theme.Failed+" ", "The server did not start: "+clean(m.checks.startErr.Error()), width)
		for i := range lines {
			lines[i] = m.theme.Bad.Render(lines[i])
		}
		words := "r tries again; esc goes back."
		if m.canGoBack() {
			words = "r tries again; b goes back to the files that were there before; esc goes back to the questions."
		}
		return append(append(lines, ""), layout.Wrap(words, width)...)
	case len(m.checks.rows) == 0 && m.job != nil:
		return []string{layout.Cut(m.spinner.View()+" "+m.job.doing+" …", width)}
	}
	return nil
}
