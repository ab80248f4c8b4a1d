package tui

import (
	"context"
	"fmt"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/installation"
	"packhouse/spelling"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/logview"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// observeEvery is the number of seconds between two observations of storage and certificate.
const observeEvery = 10

// logScreen shows the log of the server in this process, below figures about it.
type logScreen struct {
	*ui
	state   *installation.State // of storage and certificate; nil: not known
	beating bool                // a beatMsg is on its way
	first   int                 // number of the first line of the log at the last View
	top     int
	held    bool // the user scrolled up: the view does not follow
}

// Messages of the screen.
type (
	beatMsg  struct{} // a second has passed
	stateMsg struct{ state *installation.State }
)

// Init implements screen.
func (l *logScreen) Init() tea.Cmd {
	l.readLog()
	if l.beating {
		return nil
	}
	l.beating = true
	return tea.Batch(l.observe(), l.after(time.Second, mailMsg{l, beatMsg{}}))
}

// Update implements screen.
func (l *logScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		return l.key(msg.name)
	case beatMsg:
		return l.beat()
	case stateMsg:
		l.state = msg.state
	}
	return nil
}

// beat updates the rate while there are no requests, and regularly the figures that are not in the
// log.
func (l *logScreen) beat() tea.Cmd {
	if l.place != serving {
		l.beating = false
		return nil
	}
	next := l.after(time.Second, mailMsg{l, beatMsg{}})
	if l.options.Now().Second()%observeEvery == 0 {
		return tea.Batch(next, l.observe())
	}
	return next
}

// observe reads the state of storage and certificate.
func (l *logScreen) observe() tea.Cmd {
	observe := l.session.Options.Observe
	if observe == nil {
		return nil
	}
	ctx := context.WithoutCancel(l.ctx)
	return guard(func() tea.Msg { return mailMsg{l, stateMsg{observe(ctx)}} })
}

func (l *logScreen) key(name string) tea.Cmd {
	l.top = layout.Scrolled(l.top, name, l.height)
	switch name {
	case "up", "k", "pgup", "home", "g":
		l.held = true
	case "end", "G", "f":
		l.held = false
	case "esc", "c":
		if l.session.Managed {
			return l.home()
		}
		return l.open(handing)
	case "q":
		l.notice = "ctrl+c stops the server and leaves"
	}
	return nil
}

// Keys implements screen.
func (l *logScreen) Keys(bool) []key.Binding {
	back := bind("esc", "card")
	if l.session.Managed {
		back = bind("esc", "back to the start")
	}
	keys := []key.Binding{bind("ctrl+c", "stop and leave"), back, bind("↑↓", "scroll")}
	if l.held {
		keys = append(keys, bind("f", "follow"))
	}
	return append(keys, bind("?", "help"))
}

// Title implements screen.
func (l *logScreen) Title() string { return "Serving " + layout.Clean(l.session.Outcome.Card.URL) }

// Help implements screen.
func (l *logScreen) Help() string { return servingHelp }

// View implements screen.
func (l *logScreen) View(width, height int) ([]string, string) {
	t := l.theme
	state := t.Good.Render(theme.Done) + " the server runs until ctrl+c"
	if l.session.Running == nil || session.Ended(l.session.Running) {
		state = t.Bad.Render(theme.Failed) + " the server has ended"
	}
	lines := l.log.Lines
	head := []string{layout.Ends(state, t.Muted.Render(spelling.Count(l.log.Written, "line")), width)}
	if height >= normalHeight { // a low window shows the log only
		head = append(head, l.dashboardLines(width)...)
	}
	head = append(head, "")
	room := height - len(head)
	first := l.log.Written - len(lines)
	if l.held { // keep showing the same lines while new ones push old ones out
		l.top = max(l.top-(first-l.first), 0)
	} else {
		l.top = 1 << 20
	}
	l.first = first
	if len(lines) == 0 {
		return append(head, t.Muted.Render("nothing was logged yet")), ""
	}
	shown, below := layout.Scroll(lines, &l.top, -1, room)
	if l.held && l.top+len(shown) >= len(lines) {
		l.held = false
	}
	for _, line := range shown {
		head = append(head, layout.Cut(l.logLine(line), width))
	}
	return head, below
}

// logLine draws a line of the log: time and message, and for requests the most useful fields first.
func (l *logScreen) logLine(text string) string {
	t := l.theme
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
		what := layout.Pad(method, 6) + " " + logview.ShortHex(line.Value("path"))
		if logview.Ours(line) { // requests of the checks are not shown
			what = t.Muted.Render(what)
		}
		out += style.Render(status) + " " + what
		for _, value := range []string{took(line.Value("duration")), logview.ShortHex(line.Value("user")), line.Value("remote"), line.Value("code")} {
			if value != "" {
				out += "  " + t.Muted.Render(value)
			}
		}
		return out
	}
	out += line.Message
	for _, pair := range line.Pairs {
		out += "  " + t.Muted.Render(pair.Key+"=") + describe.Fingerprints(logview.ShortHex(pair.Value))
	}
	return out
}

// took formats a duration of the log for people.
func took(text string) string {
	d, err := time.ParseDuration(text)
	if err != nil {
		return text
	}
	return describe.Duration(d)
}

// dashboardLines draws figures about the server, one per line.
func (l *logScreen) dashboardLines(width int) []string {
	t, d := l.theme, &l.log
	row := func(label, sign, text string) string {
		style := t.Good
		switch sign {
		case theme.Caution:
			style = t.Warning
		case theme.Failed:
			style = t.Bad
		}
		return layout.Cut(t.Muted.Render(layout.Pad(label, 12))+style.Render(sign)+" "+layout.Clean(text), width)
	}
	sign := theme.Done
	if d.Failed > 0 {
		sign = theme.Failed
	}
	rate := d.Rate(l.options.Now())
	lines := []string{row("requests", sign, fmt.Sprintf("%.1f/s over the last minute, %d in all, %d refused, %s", rate,
		d.Total, d.Refused, spelling.Count(d.Failed, "error")))}
	if d.LastPush == "" {
		lines = append(lines, row("last push", " ", "none yet"))
	} else {
		lines = append(lines, row("last push", theme.Done, d.LastPush))
	}
	if l.state == nil {
		return lines
	}
	if space := l.state.Storage.Space(); space != "" {
		sign = theme.Done
		if l.state.Storage.Short() {
			sign = theme.Failed
		}
		lines = append(lines, row("storage", sign, space+" in "+l.state.Storage.Path))
	}
	if c := l.state.Certificate; c != nil {
		sign = theme.Done
		if c.CloseEnd {
			sign = theme.Caution
		}
		lines = append(lines, row("certificate", sign,
			fmt.Sprintf("%s left, until %s", spelling.Count(c.DaysLeft, "day"), c.Ends.UTC().Format(time.DateOnly))))
	}
	return lines
}
