package tui

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/pattern"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

const setupConfig = installation.ConfigFile

// review is the screen that shows what is going to happen.
type review struct {
	top    int
	config bool // myconfig.yml is in front and not the list of files
	back   bool // it is about going back
	mend   bool // it repairs a file that was refused
	err    error
}

// aside reports whether the plan does not come from the answers: it restores or repairs files.
func (r review) aside() bool { return r.back || r.mend }

// plannedMsg brings the plan.
type plannedMsg struct {
	plan *plan.Plan
	err  error
}

// startReview makes a plan of the answers, once none of them is refused: a later answer can have made an earlier one impossible.
func (m *model) startReview() tea.Cmd {
	for i, f := range m.forms {
		for _, e := range f.entries {
			e.sync()
		}
		if f.refuse() {
			m.enterStep(i)
			m.notice = "correct the marked answers first"
			return nil
		}
	}
	m.phase, m.plan, m.review = reviewing, nil, review{}
	resolved := m.resolved()
	return m.start("making the plan", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		planned, err := m.options.Plan(ctx, resolved)
		return plannedMsg{planned, err}
	})
}

func (m *model) planned(msg plannedMsg) { m.plan, m.review.err = msg.plan, msg.err }

// replaces reports whether the plan replaces or removes existing content.
func replaces(planned *plan.Plan) bool {
	for _, c := range planned.Changes {
		if c.Kind == setup.Update || c.Kind == setup.Remove {
			return true
		}
	}
	return false
}

func (m *model) reviewKey(name string) tea.Cmd {
	switch name {
	case "esc":
		if m.review.mend {
			m.cancelJob()
			m.phase, m.plan = repairing, nil
			return nil
		}
		if m.review.back && !m.manager.on {
			m.cancelJob()
			m.plan, m.phase, m.review = m.outcome.Plan, checking, review{}
			return nil
		}
		return m.askAgain()
	case "up", "k":
		m.review.top--
	case "down", "j":
		m.review.top++
	case "pgup":
		m.review.top -= m.height / 2
	case "pgdown", " ":
		m.review.top += m.height / 2
	case "home", "g":
		m.review.top = 0
	case "end", "G":
		m.review.top = 1 << 20
	case "tab", "shift+tab":
		m.review.config, m.review.top = !m.review.config, 0
	}
	if m.job != nil || m.plan == nil {
		if name == "r" && m.job == nil {
			return m.planAgain()
		}
		return nil
	}
	switch {
	case name == "w", name == "enter" && !replaces(m.plan):
		return m.startApply()
	case name == "enter":
		m.notice = "files are replaced: w writes them"
	}
	return nil
}

// planAgain makes the plan of this screen again.
func (m *model) planAgain() tea.Cmd {
	switch {
	case m.review.back:
		return m.planRollback()
	case m.review.mend:
		return m.planRepair(m.repair.chosen)
	}
	return m.startReview()
}

func (m *model) reviewKeys(words bool) []key.Binding {
	if m.job != nil {
		return []key.Binding{bind("esc", "back")}
	}
	if m.plan == nil {
		return []key.Binding{bind("r", "try again"), bind("esc", "back")}
	}
	other := "show myconfig.yml"
	if m.review.config {
		other = "show the files"
	}
	if !words {
		other = strings.TrimPrefix(other, "show ")
	}
	write := bind("w", "write")
	switch {
	case !m.plan.Pending():
		write = bind("enter", "check")
	case !replaces(m.plan):
		write = bind("enter", "write")
	}
	keys := []key.Binding{write, bind("esc", "back")}
	return append(keys, bind("tab", other), bind("↑↓", "scroll"))
}

func (m *model) reviewBody(width, height int) ([]string, string) {
	switch {
	case m.review.err != nil:
		lines := layout.Hang(theme.Failed+" ", clean(inWords(m.review.err)), width)
		for i := range lines {
			lines[i] = m.theme.Bad.Render(lines[i])
		}
		return scroll(lines, &m.review.top, -1, height)
	case m.plan == nil:
		return layout.Wrap("Working out what has to change …", width), ""
	case m.review.mend && m.review.config:
		return scroll(append(m.mendLines(width), m.configLines(width)...), &m.review.top, -1, height)
	case m.review.config:
		return scroll(m.configLines(width), &m.review.top, -1, height)
	}
	return scroll(m.planLines(width), &m.review.top, -1, height)
}

// planLines lists what happens to each file, and what that means.
func (m *model) planLines(width int) []string {
	var lines []string
	t := m.theme
	switch {
	case !m.plan.Pending():
		lines = append(lines, layout.Wrap("Everything is as the answers want it: nothing will be written. Enter runs the checks.", width)...)
	case replaces(m.plan):
		lines = append(lines, layout.Wrap("This is what changes. What is replaced is kept in a backup. Press w to write.", width)...)
	default:
		lines = append(lines, layout.Wrap("This is what will be written, all of it or nothing. Enter writes.", width)...)
	}
	lines = append(lines, "")
	for _, f := range m.plan.Findings {
		lines = append(lines, m.drawFinding(f, width)...)
	}
	if len(m.plan.Findings) > 0 {
		lines = append(lines, "")
	}
	var directories []string
	for _, change := range m.plan.Ordered() {
		if change.Mode.IsDir() && change.Kind == setup.Keep {
			continue
		}
		if change.Mode.IsDir() && change.Kind == setup.Create && len(change.Meaning) == 0 {
			directories = append(directories, shortPath(m.plan.Dir, change.Path))
			continue
		}
		sign, word, style := "=", "keep  ", t.Muted
		switch change.Kind {
		case setup.Create:
			sign, word, style = "+", "create", t.Added
		case setup.Update:
			sign, word, style = "~", "update", t.Warning
		case setup.Remove:
			sign, word, style = "-", "remove", t.Removed
		case setup.Keep:
		}
		lines = append(lines, layout.Cut(style.Render(sign+" "+word)+"  "+shortPath(m.plan.Dir, change.Path), width))
		for _, meaning := range change.Meaning {
			for _, line := range layout.Wrap(shortFingerprints(clean(meaning)), width-10) {
				lines = append(lines, "          "+t.Muted.Render(line))
			}
		}
	}
	if len(directories) > 0 {
		what := t.Added.Render("+ create") + "  "
		for _, line := range layout.Wrap("directories "+strings.Join(directories, ", "), width-10) {
			lines = append(lines, layout.Cut(what+line, width))
			what = "          "
		}
	}
	if len(m.plan.Restart) > 0 {
		lines = append(lines, "", t.Title.Render("A running server has to be restarted"))
		for _, why := range m.plan.Restart {
			lines = append(lines, layout.Hang("  · ", clean(why), width)...)
		}
	}
	return append(lines, "", t.Muted.Render(layout.Cut("in "+clean(m.plan.Dir), width)))
}

// configStays reports whether the plan leaves myconfig.yml unchanged.
func (m *model) configStays() bool {
	return m.plan != nil && !slices.ContainsFunc(m.plan.Changes, func(c plan.Change) bool {
		return c.Path == filepath.Join(m.plan.Dir, installation.ConfigFile) && c.Kind != setup.Keep
	})
}

// configLines shows how myconfig.yml changes, or the whole of a new one.
func (m *model) configLines(width int) []string {
	path := filepath.Join(m.plan.Dir, installation.ConfigFile)
	for _, change := range m.plan.Changes {
		if change.Path != path {
			continue
		}
		if diff := m.plan.Diff(path); change.Kind == setup.Update && diff != "" {
			return m.paintDiff(diff, width)
		}
		return m.paintYAML(string(change.After), width)
	}
	return nil
}

func (m *model) paintDiff(diff string, width int) []string {
	var out []string
	for i, line := range strings.Split(strings.TrimRight(clean(diff), "\n"), "\n") {
		cut := layout.Cut(line, width)
		switch {
		case i < 2: // the names of both
			cut = m.theme.Muted.Render(cut)
		case strings.HasPrefix(line, "+"):
			cut = m.theme.Added.Render(cut)
		case strings.HasPrefix(line, "-"):
			cut = m.theme.Removed.Render(cut)
		case strings.HasPrefix(line, "@@"):
			cut = m.theme.Muted.Render(cut)
		}
		out = append(out, cut)
	}
	return out
}

// fingerprint is a SHA-256 as certificates show it.
var fingerprint = pattern.Lazy(`\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b`)

// shortFingerprints keeps both ends of each fingerprint, which is what people compare. The card and the handoff have the whole of it.
func shortFingerprints(text string) string {
	return fingerprint().ReplaceAllStringFunc(text, func(whole string) string { return whole[:11] + "…" + whole[len(whole)-5:] })
}

// shortPath leaves the installation's directory out of a path.
func shortPath(dir, path string) string {
	if inner, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(inner, "..") {
		if inner == "." {
			return clean(path)
		}
		return clean(inner)
	}
	return clean(path)
}
