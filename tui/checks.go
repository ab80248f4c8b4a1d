package tui

import (
	"context"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/spelling"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// checksScreen starts the server and shows the checks of the installation.
type checksScreen struct {
	*ui
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

// Messages of the screen.
type (
	startedMsg struct {
		running installation.Running
		err     error
	}
	checkMsg  struct{ event check.Event }
	provedMsg struct {
		proof     session.Proof
		cancelled bool
	}
)

// Init implements screen: it starts the server, unless it runs, and runs the checks.
func (c *checksScreen) Init() tea.Cmd {
	*c = checksScreen{ui: c.ui}
	start, planned := c.session.Starter(), c.session.Plan
	cmd := c.start(c, "starting the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		running, err := start(ctx, planned)
		return startedMsg{running, err}
	})
	c.job.probes = true
	return cmd
}

// Update implements screen.
func (c *checksScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		return c.key(msg.name)
	case startedMsg:
		fresh := c.session.Started(msg.running, msg.err)
		if c.startErr = msg.err; msg.err != nil {
			return nil
		}
		cmd := c.prove()
		if fresh {
			cmd = tea.Batch(cmd, c.watchServer())
		}
		return cmd
	case checkMsg:
		c.event(msg.event)
	case provedMsg:
		c.proved(msg)
	}
	return nil
}

// prove runs the checks.
func (c *checksScreen) prove() tea.Cmd {
	var emit func(tea.Msg)
	prove := c.session.Prover(func(event check.Event) { emit(checkMsg{event}) })
	cmd := c.start(c, "checking", func(ctx context.Context, send func(tea.Msg)) tea.Msg {
		emit = send
		proof := prove(ctx)
		return provedMsg{proof, ctx.Err() != nil}
	})
	c.job.probes = true
	c.job.slow = true // the rows show progress from the beginning, so the spinner may turn
	return tea.Batch(cmd, c.turn())
}

// event shows a step of the checks.
func (c *checksScreen) event(event check.Event) {
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

// proved shows the report.
func (c *checksScreen) proved(msg provedMsg) {
	if msg.cancelled {
		return // the result of a run that was stopped proves nothing
	}
	c.readLog() // while the job is running: log lines so far come from the checks
	c.report = &msg.proof.Report
	c.rows = c.rows[:0]
	for _, result := range c.report.Results {
		c.rows = append(c.rows, checkRow{id: result.ID, title: result.Title, result: &result})
	}
	c.session.Proved(msg.proof)
}

// canRollBack reports whether a change of this session failed its checks and can be rolled back.
func (c *checksScreen) canRollBack() bool {
	failed := c.startErr != nil || c.report != nil && c.report.Worst() == check.Failed
	return failed && c.job == nil && c.session.CanRollBack()
}

func (c *checksScreen) key(name string) tea.Cmd {
	if top := layout.Scrolled(c.top, name, c.height); top != c.top {
		c.top, c.held = top, true
	}
	switch name {
	case "r":
		if c.job == nil {
			return c.open(checking)
		}
	case "esc":
		if c.job != nil {
			c.cancelJob()
			c.notice = "stopped; what was written stays. r runs the checks again"
			return nil
		}
		return c.askAgain()
	case "b":
		if c.canRollBack() {
			c.session.RollBack()
			return c.open(reviewing)
		}
	case "enter":
		switch {
		case c.job != nil || c.report == nil:
		case c.session.Purpose == session.ForRepair:
			return c.startOver()
		case c.session.Purpose == session.ForRollback: // there is nothing new to hand over
			return c.homeOr(c.finish)
		default:
			return c.open(handing)
		}
	}
	return nil
}

// Keys implements screen.
func (c *checksScreen) Keys(bool) []key.Binding {
	var keys []key.Binding
	switch {
	case c.job != nil:
		return []key.Binding{
			bind("esc", "stop"), bind("↑↓", "scroll"), bind("ctrl+c", "leave; what was written stays"), bind("?", "help"),
		}
	case c.report != nil:
		keys = []key.Binding{bind("enter", "next"), bind("r", "again")}
	default:
		keys = []key.Binding{bind("r", "try again")}
	}
	if c.canRollBack() {
		keys = append(keys, bind("b", "roll back"))
	}
	if len(c.session.Steps) == 0 && c.session.Managed {
		keys = append(keys, bind("esc", "back"))
	} else {
		keys = append(keys, bind("esc", "change answers"))
	}
	if c.report != nil {
		keys = append(keys, bind("↑↓", "scroll"))
	}
	return append(keys, bind("ctrl+c", "leave"), bind("?", "help"))
}

// Title implements screen.
func (c *checksScreen) Title() string { return "Checks" }

// Help implements screen.
func (c *checksScreen) Help() string { return checksHelp }

// View implements screen.
func (c *checksScreen) View(width, height int) ([]string, string) {
	lines, focus := c.allChecks(width)
	if len(lines) > height {
		lines, focus = c.worstChecks(width)
	}
	if c.held {
		focus = -1
	}
	return layout.Scroll(lines, &c.top, focus, height)
}

// allChecks draws every check in its order, with the summary at the end.
func (c *checksScreen) allChecks(width int) (lines []string, focus int) {
	lines, focus = c.startLines(width), -1
	for _, row := range c.rows {
		lines = append(lines, c.checkLines(row, width)...)
		if row.result == nil && row.doing != "" {
			focus = len(lines) - 1
		}
	}
	for i := len(c.rows); i < c.total; i++ {
		lines = append(lines, c.theme.Muted.Render(theme.Ahead+" …"))
	}
	if c.report != nil {
		lines = append(append(lines, ""), c.summaryLines(width)...)
	}
	return lines, focus
}

// worstChecks draws the checks for a window that cannot hold all of them: it keeps
// failed, warning and unproven checks visible, above those that passed.
func (c *checksScreen) worstChecks(width int) (lines []string, focus int) {
	lines = c.startLines(width)
	if c.report != nil {
		lines = append(append(lines, c.summaryLines(width)...), "")
	}
	passed, ahead := 0, max(c.total-len(c.rows), 0)
	for _, status := range []check.Status{check.Failed, check.Warning, check.NotProven} {
		for _, row := range c.rows {
			if row.result != nil && row.result.Status == status {
				lines = append(lines, c.checkLines(row, width)...)
			}
		}
	}
	focus = -1
	for _, row := range c.rows {
		switch {
		case row.result == nil && row.doing != "":
			lines = append(lines, c.checkLines(row, width)...)
			focus = len(lines) - 1
		case row.result == nil:
			ahead++
		case row.result.Status == check.Passed:
			passed++
		}
	}
	if c.report == nil { // passed checks are listed at the end only, to leave room for the others
		for _, count := range []struct {
			n     int
			sign  string
			words string
		}{{passed, c.theme.Good.Render(theme.Done), "passed"}, {ahead, c.theme.Muted.Render(theme.Ahead), "to come"}} {
			if count.n > 0 {
				lines = append(lines, layout.Cut(count.sign+" "+spelling.Count(count.n, "check")+" "+count.words, width))
			}
		}
		return lines, focus
	}
	for _, row := range c.rows {
		if row.result != nil && row.result.Status == check.Passed {
			lines = append(lines, c.checkLines(row, width)...)
		}
	}
	return lines, focus
}

func (c *checksScreen) summaryLines(width int) []string {
	lines := layout.Wrap(describe.Report(*c.report), width)
	for i := range lines {
		lines[i] = c.theme.Title.Render(lines[i])
	}
	return lines
}

// startLines report that the server is being started, or why it did not start.
func (c *checksScreen) startLines(width int) []string {
	switch {
	case c.startErr != nil:
		lines := layout.Hang(theme.Failed+" ", "The server did not start: "+layout.Clean(c.startErr.Error()), width)
		for i := range lines {
			lines[i] = c.theme.Bad.Render(lines[i])
		}
		words := "r tries again; esc goes back."
		if c.canRollBack() {
			words = "r tries again; b rolls back to the previous files; esc goes back to the questions."
		}
		return append(append(lines, ""), layout.Wrap(words, width)...)
	case len(c.rows) == 0 && c.job != nil:
		return []string{layout.Cut(c.spinner.View()+" "+c.job.doing+" …", width)}
	}
	return nil
}
