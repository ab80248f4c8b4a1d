package tui

import (
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/pattern"
	"packhouse/spelling"
	"packhouse/tui/layout"
	"packhouse/tui/logview"
	"packhouse/tui/theme"
)

// logScreen is the log below the figures of a server that runs.
type logScreen struct {
	lines   []string
	written int
	top     int
	held    bool // the user scrolled up: the view does not follow
}

// logMsg reports new log lines.
type logMsg struct{}

// watchLog waits for the next line.
func (m *model) watchLog() tea.Cmd {
	log, done := m.options.Log, m.ctx.Done()
	return m.watch(func() tea.Msg {
		select {
		case <-log.Wake():
			return logMsg{}
		case <-done:
			return nil
		}
	})
}

// refresh takes the log in. A view that is held keeps showing the same lines while new ones push old ones out.
func (l *logScreen) refresh(log *logview.Ring) {
	lines, written := log.Snapshot()
	if l.held {
		gone := (written - len(lines)) - (l.written - len(l.lines))
		l.top = max(l.top-gone, 0)
	}
	l.lines, l.written = lines, written
}

func (m *model) logKey(name string) tea.Cmd {
	l := &m.log
	switch name {
	case "up", "k":
		l.top, l.held = l.top-1, true
	case "pgup":
		l.top, l.held = l.top-m.height/2, true
	case "down", "j":
		l.top++
	case "pgdown", " ":
		l.top += m.height / 2
	case "home", "g":
		l.top, l.held = 0, true
	case "end", "G", "f":
		l.held = false
	case "esc", "c":
		if m.manager.on {
			return m.goHome()
		}
		m.showCard()
	case "q":
		m.notice = "ctrl+c stops the server and leaves"
	}
	return nil
}

func (m *model) logKeys() []key.Binding {
	back := bind("esc", "card")
	if m.manager.on {
		back = bind("esc", "back to the start")
	}
	keys := []key.Binding{bind("ctrl+c", "stop and leave"), back, bind("↑↓", "scroll")}
	if m.log.held {
		keys = append(keys, bind("f", "follow"))
	}
	return keys
}

func (m *model) logBody(width, height int) ([]string, string) {
	t := m.theme
	l := &m.log
	state := t.Good.Render(theme.Done) + " the server runs until ctrl+c"
	if m.running == nil || ended(m.running) {
		state = t.Bad.Render(theme.Failed) + " the server has ended"
	}
	head := []string{layout.Ends(state, t.Muted.Render(spelling.Count(l.written, "line")), width)}
	if height >= normalHeight { // in a low window the log is what counts
		head = append(head, m.dashboardLines(width)...)
	}
	head = append(head, "")
	room := height - len(head)
	if !l.held {
		l.top = 1 << 20
	}
	if len(l.lines) == 0 {
		return append(head, t.Muted.Render("nothing was logged yet")), ""
	}
	shown, below := scroll(l.lines, &l.top, -1, room)
	if l.held && l.top+len(shown) >= len(l.lines) {
		l.held = false
	}
	for _, line := range shown {
		head = append(head, layout.Cut(m.logLine(line), width))
	}
	return head, below
}

// logLine draws a line of the log: when, what, and of requests what one looks for first.
func (m *model) logLine(text string) string {
	t := m.theme
	line, ok := logview.ParseLine(text)
	if !ok {
		return text
	}
	out := t.Muted.Render(line.Time.Format(time.TimeOnly)) + " "
	switch line.Level {
	case "WARN":
		out += t.Warning.Render(theme.Caution+" warning") + " "
	case "ERROR":
		out += t.Bad.Render(theme.Failed+" error") + " "
	}
	method, status := line.Value("method"), line.Value("status")
	if line.Message == "request" && method != "" && status != "" {
		style := t.Good
		switch status[0] {
		case '4':
			style = t.Warning
		case '5':
			style = t.Bad
		}
		what := layout.Pad(method, 6) + " " + shortHex(line.Value("path"))
		if ours(line) { // requests of the checks are not shown
			what = t.Muted.Render(what)
		}
		out += style.Render(status) + " " + what
		for _, value := range []string{took(line.Value("duration")), shortHex(line.Value("user")), line.Value("remote"), line.Value("code")} {
			if value != "" {
				out += "  " + t.Muted.Render(value)
			}
		}
		return out
	}
	out += line.Message
	for _, pair := range line.Pairs {
		out += "  " + t.Muted.Render(pair.Key+"=") + shortFingerprints(shortHex(pair.Value))
	}
	return out
}

// random is a run of letters and digits that only a machine made: a digest, an upload, a name for one minute.
var random = pattern.Lazy(`\b(?:[0-9a-f]{32,}|[a-z2-7]{26,})\b`)

// shortHex shortens long hexadecimal strings. The log itself has them in full.
func shortHex(text string) string {
	return random().ReplaceAllStringFunc(text, func(whole string) string { return whole[:8] + layout.Ellipsis })
}

// took is a duration of the log, as people read it.
func took(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	return duration(d)
}
