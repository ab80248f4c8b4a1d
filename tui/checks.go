package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/setup"
	"packhouse/setup/check"
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
	held     bool // somebody scrolled: the view does not follow any more
}

type checkRow struct {
	id, title, doing string
	result           *check.Result
}

// Messages of a run of the checks.
type (
	startedMsg struct {
		running setup.Running
		err     error
	}
	checkMsg  struct{ event check.Event }
	provedMsg struct {
		report check.Report
		card   setup.Card
	}
	endedMsg struct{ running setup.Running }
)

// startChecks starts the server, unless it runs, and lets everything be proven.
func (m *model) startChecks() tea.Cmd {
	m.phase, m.checks = checking, checks{}
	if m.running != nil && ended(m.running) {
		m.running = nil
	}
	before, plan := m.running, m.plan
	return m.start("starting the server", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		// The server outlives the job that starts it, and ends by Shutdown; only starting it can be cancelled.
		life, cancel := context.WithCancel(context.WithoutCancel(ctx))
		release := context.AfterFunc(ctx, cancel)
		running, err := m.options.Start(life, plan)
		if running != nil {
			m.up.Store(&running)
		}
		if !release() && running != nil && running != before { // it was cancelled meanwhile, and nobody is waiting for the server
			return startedMsg{running: running, err: ctx.Err()}
		}
		return startedMsg{running, err}
	})
}

func ended(running setup.Running) bool {
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
	plan, machine, options, hands := m.plan, m.machine, m.options, !m.review.aside()
	cmd := m.start("checking", func(ctx context.Context, emit func(tea.Msg)) tea.Msg {
		msg := provedMsg{report: options.Prove(ctx, plan, func(event check.Event) { emit(checkMsg{event}) })}
		if hands {
			msg.card = cardOf(ctx, options, machine, plan)
		}
		return msg
	})
	m.job.slow = true // the rows show what is done from the beginning, so the spinner may turn
	return tea.Batch(cmd, m.turn())
}

// watchServer tells when the server ends by itself.
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
		return // it was stopped: what it says is not a proof
	}
	m.log.refresh(m.options.Log)
	m.countLog() // the job still runs: what was logged until now is the checks'
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
			m.notice = "stopped; r runs the checks again"
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
		return []key.Binding{bind("esc", "stop"), bind("↑↓", "scroll"), bind("ctrl+c", "leave")}
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

// wayBack is what esc does after the checks.
func (m *model) wayBack() key.Binding {
	if len(m.forms) == 0 && m.manager.on {
		return bind("esc", "back")
	}
	return bind("esc", "change answers")
}

func (m *model) checksBody(width, height int) ([]string, string) {
	t := m.theme
	var lines []string
	focus := -1
	switch {
	case m.checks.startErr != nil:
		for _, line := range layout.Hang(theme.Failed+" ", "The server did not start: "+clean(m.checks.startErr.Error()), width) {
			lines = append(lines, t.Bad.Render(line))
		}
		lines = append(lines, "")
		words := "r tries again; esc goes back."
		if m.canGoBack() {
			words = "r tries again; b goes back to the files that were there before; esc goes back to the questions."
		}
		lines = append(lines, layout.Wrap(words, width)...)
	case len(m.checks.rows) == 0 && m.job != nil:
		lines = append(lines, layout.Cut(m.spinner.View()+" "+m.job.doing+" …", width))
	}
	for _, row := range m.checks.rows {
		lines = append(lines, m.checkLines(row, width)...)
		if row.result == nil && row.doing != "" {
			focus = len(lines) - 1
		}
	}
	for i := len(m.checks.rows); i < m.checks.total; i++ {
		lines = append(lines, t.Muted.Render(theme.Ahead+" …"))
	}
	if m.checks.report != nil {
		lines = append(lines, "")
		for _, line := range layout.Wrap(summary(*m.checks.report), width) {
			lines = append(lines, t.Title.Render(line))
		}
		focus = len(lines) - 1
	}
	if m.checks.held {
		focus = -1
	}
	return scroll(lines, &m.checks.top, focus, height)
}

// checkLines draws one check: sign, title, what was seen, how long it took; and cause and remedy below it where it found something.
func (m *model) checkLines(row checkRow, width int) []string {
	t := m.theme
	const titleWidth = 16
	if row.result == nil {
		if row.doing == "" {
			return []string{layout.Cut(t.Muted.Render(theme.Ahead+" "+clean(row.title)), width)}
		}
		return []string{layout.Cut(m.spinner.View()+" "+layout.Pad(clean(row.title), titleWidth)+"  "+t.Muted.Render(clean(row.doing)+" …"), width)}
	}
	result := row.result
	sign, word, style := theme.Unknown, string(check.NotProven)+": ", t.Muted
	switch result.Status {
	case check.Passed:
		sign, word, style = theme.Done, "", t.Good
	case check.Warning:
		sign, word, style = theme.Caution, "", t.Warning
	case check.Failed:
		sign, word, style = theme.Failed, "failed: ", t.Bad
	case check.NotProven:
	}
	took := duration(result.Took)
	room := width - 2 - titleWidth - 2 - ansi.StringWidth(took) - 1
	if room < 20 { // too narrow for columns: what was seen goes below
		lines := []string{layout.Ends(style.Render(sign)+" "+clean(result.Title), t.Muted.Render(took), width)}
		lines = append(lines, m.indented(word+result.Seen+reason(result), width, style, result.Status == check.Passed)...)
		return append(lines, m.adviceLines(result.Advice, 2, width)...)
	}
	seen := layout.Wrap(word+clean(result.Seen), room)
	lines := []string{layout.Ends(style.Render(sign)+" "+layout.Pad(clean(result.Title), titleWidth)+"  "+seen[0], t.Muted.Render(took), width)}
	for _, line := range seen[1:] {
		lines = append(lines, fmt.Sprintf("%*s", titleWidth+4, "")+line)
	}
	if why := reason(result); why != "" && result.Status != check.Passed {
		for _, line := range layout.Wrap(clean(why[1:]), width-titleWidth-4) {
			lines = append(lines, fmt.Sprintf("%*s", titleWidth+4, "")+style.Render(line))
		}
	}
	return append(lines, m.adviceLines(result.Advice, titleWidth+4, width)...)
}

// adviceLines draw what is worth doing though nothing is wrong. Its first line is a sentence; what follows is to be copied, so that it keeps
// its line ends and begins further left where there is little room.
func (m *model) adviceLines(advice string, indent, width int) []string {
	if advice == "" {
		return nil
	}
	sentence, copied, _ := strings.Cut(clean(advice), "\n")
	var out []string
	margin := strings.Repeat(" ", indent)
	for _, line := range layout.Hang("· ", sentence, width-indent) {
		out = append(out, margin+m.theme.Muted.Render(line))
	}
	if copied == "" {
		return out
	}
	margin = strings.Repeat(" ", 2)
	for line := range strings.SplitSeq(copied, "\n") {
		if ansi.StringWidth(margin+line) > width { // whole, rather than on one line
			out = append(out, layout.Wrap(line, width)...)
			continue
		}
		out = append(out, margin+line)
	}
	return out
}

func (m *model) indented(text string, width int, style interface{ Render(...string) string }, quiet bool) []string {
	var out []string
	for _, line := range layout.Wrap(clean(text), width-2) {
		if quiet {
			out = append(out, "  "+m.theme.Muted.Render(line))
		} else {
			out = append(out, "  "+style.Render(line))
		}
	}
	return out
}

// reason is cause, remedy and code of a finding, each on a line of its own.
func reason(result *check.Result) string {
	out := ""
	if result.Cause != "" {
		out += "\ncause: " + result.Cause
	}
	if result.Remedy != "" {
		out += "\nremedy: " + result.Remedy
	}
	if result.Code != "" {
		out += "\n(" + result.Code + " in docs/troubleshooting.md)"
	}
	return out
}

// summary says in one sentence how the checks ended.
func summary(report check.Report) string {
	count := make(map[check.Status]int)
	for _, result := range report.Results {
		count[result.Status]++
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d of %d checks passed", count[check.Passed], len(report.Results))
	for _, rest := range []struct {
		status check.Status
		words  string
	}{{check.Failed, "failed"}, {check.Warning, "with a warning"}, {check.NotProven, "not proven"}} {
		if n := count[rest.status]; n > 0 {
			fmt.Fprintf(&text, ", %d %s", n, rest.words)
		}
	}
	return text.String()
}

// duration is a time as people read it.
func duration(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Millisecond:
		return "<1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
