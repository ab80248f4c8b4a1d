package tui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/x/ansi"

	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// frame draws the screen: never more than the window holds.
func (m *model) frame() string {
	width, height := m.width, m.height
	if width < leastWidth || height < leastHeight {
		text := fmt.Sprintf("This window is %d×%d. The wizard needs %d×%d: make it larger, or leave with ctrl+c.", width, height, leastWidth, leastHeight)
		return layout.Clamp(layout.Wrap(text, max(width, 1)), width, height)
	}
	lines, foot := []string{m.header(width)}, m.foot(width)
	rest := height - 1 - len(foot)
	if width >= normalWidth && height >= normalHeight {
		lines = append(lines, m.panes(width, rest)...)
	} else {
		lines = append(lines, m.bare(width, rest)...)
	}
	return layout.Clamp(append(lines, foot...), width, height)
}

// header names the program and what is being set up.
func (m *model) header(width int) string {
	host := layout.Clean(m.session.Answers.Hostname)
	left := " " + m.theme.Brand.Render(m.options.Title)
	return layout.Ends(left, m.theme.Title.Render(layout.Cut(host, max(width-len(m.options.Title)-4, 0)))+" ", width)
}

// mostNotice bounds the lines of a notice.
const mostNotice = 4

// foot draws the line of help, or in its place a notice, which may have several lines, or a spinner
// during slow work.
func (m *model) foot(width int) []string {
	switch {
	case m.job != nil && m.job.slow && m.place != checking:
		return []string{layout.Ends(" "+m.spinner.View()+" "+m.job.doing+" …", m.theme.Muted.Render("esc stops")+" ", width)}
	case m.notice != "":
		lines := layout.Hang(" "+theme.Caution+" ", layout.Clean(m.notice), width-1)
		if len(lines) > mostNotice {
			lines = append(lines[:mostNotice-1], layout.Cut(lines[mostNotice-1]+" "+layout.Ellipsis, width-1))
		}
		for i := range lines {
			lines[i] = m.theme.Warning.Render(lines[i])
		}
		return lines
	}
	return []string{m.keyLine(width)}
}

// keyLine names the keys that do something now.
func (m *model) keyLine(width int) string {
	line := m.help
	keys := m.keys(true)
	if long := line.ShortHelpView(keys); ansi.StringWidth(long) <= width-2 {
		return " " + long
	}
	if last := len(keys) - 1; last >= 0 && keys[last].Help().Desc == "help" { // whole words for the others are worth more
		if long := line.ShortHelpView(keys[:last]); ansi.StringWidth(long) <= width-2 {
			return " " + long
		}
	}
	line.Width = max(width-2, 1)
	keys = m.keys(false)
	if width < normalWidth { // keep the key for help visible
		slices.SortStableFunc(keys, func(a, b key.Binding) int { return rank(a) - rank(b) })
	}
	return layout.Cut(" "+line.ShortHelpView(keys), width)
}

func rank(k key.Binding) int {
	if k.Help().Desc == "why" {
		return 0
	}
	return 1
}

// panes draws steps, question and preview beside each other.
func (m *model) panes(width, height int) []string {
	steps := layout.Box{Edge: m.theme.Border}.Render(m.stepList(height-2), stepsWidth, height)
	rest := width - stepsWidth - 1
	if m.place == managing || m.place == choosing || m.place == repairing || m.place == reviewing && m.session.Purpose == session.ForRepair {
		return m.mainBox(width, height)
	}
	if m.place == handing || m.place == serving { // lines to copy use the full width
		return m.bare(width, height)
	}
	if width < wideWidth && (m.place == checking || m.place == applying) { // what was seen and how long it took need the whole line
		return m.mainBox(width, height)
	}
	if width < wideWidth || m.place == checking || m.place == applying || m.helpOpen || m.place == reviewing && m.review.configStays() {
		return layout.Beside(steps, m.mainBox(rest, height))
	}
	mainWidth := min(max(rest*56/100, 52), 92)
	return layout.Beside(steps, m.mainBox(mainWidth, height), m.previewBox(rest-mainWidth-1, height))
}

// mainBox draws the main content in a box.
func (m *model) mainBox(width, height int) []string {
	innerWidth, innerHeight := layout.Inner(width, height)
	lines, below := m.body(innerWidth, innerHeight)
	box := layout.Box{Title: m.title(), Remark: below, Edge: m.theme.Border, Head: m.theme.Accent}
	return box.Render(lines, width, height)
}

// bare draws the main content alone.
func (m *model) bare(width, height int) []string {
	head := m.theme.Accent.Render(layout.Cut(m.title(), width-2))
	if m.place == asking {
		head = m.theme.Muted.Render(fmt.Sprintf("Step %d/%d", m.session.At+1, len(m.stepNames()))) + " " + m.theme.Accent.Render(layout.Cut(m.title(), width-12))
	}
	var out []string
	if height >= normalHeight { // there is room to breathe
		out = append(out, "")
		height--
	}
	lines, below := m.body(width-2, height-1)
	out = append(out, layout.Ends(" "+head, m.theme.Muted.Render(below)+" ", width))
	for _, line := range layout.Fit(lines, width-2, height-1) {
		out = append(out, " "+line)
	}
	return out
}

// title returns the heading of the main content.
func (m *model) title() string {
	switch {
	case !m.helpOpen:
		return m.screen().Title()
	case m.place == asking:
		return "Why this is asked"
	}
	return "Help"
}

// body draws the main content within a height, and says how much is hidden.
func (m *model) body(width, height int) ([]string, string) {
	if m.helpOpen {
		return layout.Scroll(m.helpText(width), &m.helpTop, -1, height)
	}
	return m.screen().View(width, height)
}

// stepNames lists the entries of the left column.
func (m *model) stepNames() []string {
	names := make([]string, 0, len(m.session.Steps)+2)
	for _, step := range m.session.Steps {
		names = append(names, step.Title)
	}
	return append(names, "Review", "Checks")
}

// stepAt returns the current entry of the left column.
func (m *model) stepAt() int {
	steps := len(m.session.Steps)
	switch m.place {
	case reviewing, applying:
		return steps
	case checking:
		return steps + 1
	case handing, serving:
		return steps + 2
	}
	return m.session.At
}

// previewBox draws the future myconfig.yml.
func (m *model) previewBox(width, height int) []string {
	innerWidth, innerHeight := layout.Inner(width, height)
	lines, focus, marks := m.questions.previewLines(innerWidth)
	if m.place == reviewing && m.session.Plan != nil {
		lines, focus, marks = m.review.configLines(innerWidth), 0, nil
	}
	top := &m.questions.preview.Top
	shown, below := layout.Scroll(lines, top, min(focus, len(lines)-1), innerHeight)
	box := layout.Box{
		Title: setupConfig, Remark: below, Edge: m.theme.Border, Head: m.theme.Muted,
		Mark: m.theme.Accent.Render(theme.Changed),
	}
	for i := range shown {
		box.Marked = append(box.Marked, marks[*top+i])
	}
	return box.Render(shown, width, height)
}

// stepList draws the steps with what became of them.
func (m *model) stepList(height int) []string {
	now := m.stepAt()
	names := m.stepNames()
	lines := make([]string, 0, len(names))
	for i, name := range names {
		name = layout.Cut(layout.Clean(name), stepsWidth-6)
		switch {
		case i == now:
			lines = append(lines, m.theme.Accent.Render(theme.Current+" "+name))
		case m.questions.stuck(i):
			lines = append(lines, m.theme.Bad.Render(theme.Failed)+" "+name)
		case i < now, i <= m.session.Reached && i < len(m.session.Steps):
			lines = append(lines, m.theme.Good.Render(theme.Done)+" "+name)
		default:
			lines = append(lines, m.theme.Muted.Render(theme.Ahead+" "+name))
		}
	}
	shown, _ := layout.Window(lines, 0, min(now, len(lines)-1), height)
	return shown
}

// helpText explains the open question.
func (m *model) helpText(width int) []string {
	t := m.theme
	if m.place != asking || m.questions.form().current() == nil {
		var lines []string
		for paragraph := range strings.SplitSeq(m.session.Options.Pasteable(m.screen().Help()), "\n") {
			lines = append(lines, layout.Wrap(paragraph, width)...)
		}
		return lines
	}
	q := m.questions.form().current().question
	lines := []string{t.Title.Render(layout.Cut(layout.Clean(q.Title), width)), ""}
	for paragraph := range strings.SplitSeq(layout.Clean(q.Help), "\n") {
		lines = append(lines, layout.Wrap(paragraph, width)...)
	}
	if origin := describe.OriginSentence(m.session.Origins[q.ID]); origin != "" {
		lines = append(lines, "", t.Muted.Render(layout.Cut(origin, width)))
	}
	if len(q.Flags) > 0 {
		lines = append(lines, "", t.Muted.Render(layout.Cut("In scripts: "+strings.Join(q.FlagNames(), " "), width)))
	}
	lines = append(lines, "", t.Title.Render("Keys"))
	m.helpOpen = false
	for _, k := range m.keys(false) {
		lines = append(lines, layout.Cut("  "+layout.Pad(k.Help().Key, 7)+" "+t.Muted.Render(k.Help().Desc), width))
	}
	m.helpOpen = true
	return lines
}

func (m *model) helpKey(name string) {
	m.helpTop = layout.Scrolled(m.helpTop, name, m.height)
	switch name {
	case "esc", "enter", "?", "f1", "q":
		m.helpOpen = false
	}
}

// keys lists the keys that do something now; in more words if long is set.
func (m *model) keys(long bool) []key.Binding {
	if m.helpOpen {
		return []key.Binding{bind("↑↓", "scroll"), bind("esc", "close"), bind("ctrl+c", "leave")}
	}
	return m.screen().Keys(long)
}
