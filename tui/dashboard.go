package tui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/pattern"
	"packhouse/setup/installation"
	"packhouse/spelling"
	"packhouse/tui/layout"
	"packhouse/tui/logview"
	"packhouse/tui/theme"
)

// dashboard holds figures about a server that runs in this process. They are counted from its log, which has a line for each request.
type dashboard struct {
	seen     int         // lines of the log that were counted
	lately   []time.Time // of the requests of the last minute
	total    int
	refused  int    // answered with 4xx
	failed   int    // answered with 5xx
	lastPush string // content, user and time
	state    *installation.State
	beating  bool // a beat is on its way
}

// Messages of the dashboard.
type (
	beatMsg  struct{}                            // a second has gone by
	stateMsg struct{ state *installation.State } // how storage and certificate do
)

// probe begins the names of the users and repositories that the checks use.
const probe = "packhouse-probe"

// lookEvery is the number of seconds between two looks at storage and certificate.
const lookEvery = 10

// pushed is the address of a manifest that is put.
var pushed = pattern.Lazy(`^/v2/(.+)/manifests/([^/?]+)`)

// count takes in the lines of the log that are new.
func (d *dashboard) count(lines []string, written int) {
	fresh := min(max(written-d.seen, 0), len(lines))
	d.seen = written
	for _, text := range lines[len(lines)-fresh:] {
		line, ok := logview.ParseLine(text)
		status := line.Value("status")
		if !ok || line.Message != "request" || len(status) != 3 || ours(line) {
			continue
		}
		d.total++
		d.lately = append(d.lately, line.Time)
		switch status[0] {
		case '4':
			d.refused++
		case '5':
			d.failed++
		}
		what := pushed().FindStringSubmatch(line.Value("path"))
		if line.Value("method") == "PUT" && status == "201" && what != nil {
			between := ":"
			if strings.Contains(what[2], ":") { // a digest
				between = "@"
			}
			d.lastPush = fmt.Sprintf("%s, by %s at %s", shortHex(what[1]+between+what[2]), line.Value("user"),
				line.Time.Local().Format(time.TimeOnly))
		}
	}
}

// ours reports whether the checks made a request. They use a user name of their own.
func ours(line logview.Line) bool {
	return strings.HasPrefix(line.Value("user"), probe+"-") || strings.HasPrefix(line.Value("path"), "/v2/"+probe+"/")
}

// countLog adds the new lines of the log to the figures. It skips requests while the checks run: their failed logins are intended.
func (m *model) countLog() {
	if m.phase == checking && m.job != nil {
		m.dashboard.seen = m.log.written
		return
	}
	m.dashboard.count(m.log.lines, m.log.written)
}

// rate is the number of requests a second, over the last minute.
func (d *dashboard) rate(now time.Time) float64 {
	for len(d.lately) > 0 && now.Sub(d.lately[0]) > time.Minute {
		d.lately = d.lately[1:]
	}
	return float64(len(d.lately)) / 60
}

// openLog shows the log and the figures above it, and keeps them going.
func (m *model) openLog() tea.Cmd {
	m.phase = serving
	m.log.refresh(m.options.Log)
	m.countLog()
	if m.dashboard.beating {
		return nil
	}
	m.dashboard.beating = true
	return tea.Batch(m.lookAtState(), m.after(time.Second, beatMsg{}))
}

// beat lowers the rate while there are no requests, and periodically updates the figures that are not in the log.
func (m *model) beat() tea.Cmd {
	if m.phase != serving {
		m.dashboard.beating = false
		return nil
	}
	next := m.after(time.Second, beatMsg{})
	if m.options.Now().Second()%lookEvery == 0 {
		return tea.Batch(next, m.lookAtState())
	}
	return next
}

func (m *model) lookAtState() tea.Cmd {
	look := m.options.Look
	if look == nil {
		return nil
	}
	ctx := context.WithoutCancel(m.ctx)
	return guard(func() tea.Msg { return stateMsg{look(ctx)} })
}

// dashboardLines draws the figures, one a line.
func (m *model) dashboardLines(width int) []string {
	t, d := m.theme, &m.dashboard
	row := func(label, sign, text string) string {
		style := t.Good
		switch sign {
		case theme.Caution:
			style = t.Warning
		case theme.Failed:
			style = t.Bad
		}
		return layout.Cut(t.Muted.Render(layout.Pad(label, 12))+style.Render(sign)+" "+clean(text), width)
	}
	sign := theme.Done
	if d.failed > 0 {
		sign = theme.Failed
	}
	rate := d.rate(m.options.Now())
	lines := []string{row("requests", sign, fmt.Sprintf("%.1f/s over the last minute, %d in all, %d refused, %s", rate,
		d.total, d.refused, spelling.Count(d.failed, "error")))}
	if d.lastPush == "" {
		lines = append(lines, row("last push", " ", "none yet"))
	} else {
		lines = append(lines, row("last push", theme.Done, d.lastPush))
	}
	if d.state == nil {
		return lines
	}
	if space := d.state.Storage.Space(); space != "" {
		sign = theme.Done
		if d.state.Storage.Short() {
			sign = theme.Failed
		}
		lines = append(lines, row("storage", sign, space+" in "+d.state.Storage.Path))
	}
	if c := d.state.Certificate; c != nil {
		sign = theme.Done
		if c.CloseEnd {
			sign = theme.Caution
		}
		lines = append(lines, row("certificate", sign,
			fmt.Sprintf("%s left, until %s", spelling.Count(c.DaysLeft, "day"), c.Ends.UTC().Format(time.DateOnly))))
	}
	return lines
}
