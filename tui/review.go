package tui

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

const setupConfig = installation.ConfigFile

// reviewScreen shows the plan before it is applied.
type reviewScreen struct {
	*ui
	top    int
	config bool // shows myconfig.yml instead of the list of files
	err    error
}

// plannedMsg carries the plan.
type plannedMsg struct {
	plan *plan.Plan
	err  error
}

// Init implements screen: it makes the plan for the session's purpose.
func (r *reviewScreen) Init() tea.Cmd {
	r.session.Plan, r.top, r.err = nil, 0, nil
	r.config = r.session.Purpose == session.ForRepair
	doing := "making the plan"
	if r.session.Purpose == session.ForRollback {
		doing = "reading the backup"
	}
	makePlan := r.session.Planner()
	return r.start(r, doing, func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		planned, err := makePlan(ctx)
		return plannedMsg{planned, err}
	})
}

// replaces reports whether the plan replaces or removes existing content.
func replaces(planned *plan.Plan) bool {
	for _, c := range planned.Changes {
		if c.Kind == setup.Update || c.Kind == setup.Remove {
			return true
		}
	}
	return false
}

// Update implements screen.
func (r *reviewScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		return r.key(msg.name)
	case plannedMsg:
		r.session.Plan, r.err = msg.plan, msg.err
	}
	return nil
}

func (r *reviewScreen) key(name string) tea.Cmd {
	switch name {
	case "esc":
		return r.close()
	case "tab", "shift+tab":
		r.config, r.top = !r.config, 0
	}
	r.top = layout.Scrolled(r.top, name, r.height)
	if r.job != nil || r.session.Plan == nil {
		if name == "r" && r.job == nil {
			return r.open(reviewing)
		}
		return nil
	}
	switch {
	case name == "w", name == "enter" && !replaces(r.session.Plan):
		if !r.session.Plan.Pending() {
			r.session.Outcome.Plan = r.session.Plan
			return r.open(checking)
		}
		return r.open(applying)
	case name == "enter":
		r.notice = "files are replaced: w writes them"
	}
	return nil
}

// close returns to the screen that the review was opened from.
func (r *reviewScreen) close() tea.Cmd {
	switch {
	case r.session.Purpose == session.ForRepair:
		r.cancelJob()
		r.session.Plan = nil
		r.show(repairing)
	case r.session.Purpose == session.ForRollback && !r.session.Managed:
		r.cancelJob()
		r.session.Plan, r.session.Purpose = r.session.Outcome.Plan, session.ForAnswers
		r.show(checking)
	default:
		return r.askAgain()
	}
	return nil
}

// Keys implements screen.
func (r *reviewScreen) Keys(long bool) []key.Binding {
	leave, help := bind("ctrl+c", "leave"), bind("?", "help")
	if r.job != nil {
		return []key.Binding{bind("esc", "back"), leave, help}
	}
	if r.session.Plan == nil {
		return []key.Binding{bind("r", "try again"), bind("esc", "back"), leave, help}
	}
	other := "show myconfig.yml"
	if r.config {
		other = "show the files"
	}
	if !long {
		other = strings.TrimPrefix(other, "show ")
	}
	write := bind("w", "write")
	switch {
	case !r.session.Plan.Pending():
		write = bind("enter", "check")
	case !replaces(r.session.Plan):
		write = bind("enter", "write")
	}
	return []key.Binding{write, bind("esc", "back"), bind("tab", other), bind("↑↓", "scroll"), leave, help}
}

// Title implements screen.
func (r *reviewScreen) Title() string {
	switch r.session.Purpose {
	case session.ForRollback:
		return "Roll back"
	case session.ForRepair:
		return "Repair: review"
	case session.ForAnswers:
	}
	return "Review"
}

// Help implements screen.
func (r *reviewScreen) Help() string { return reviewHelp }

// View implements screen.
func (r *reviewScreen) View(width, height int) ([]string, string) {
	var lines []string
	switch {
	case r.err != nil:
		for _, line := range layout.Hang(theme.Failed+" ", layout.Clean(session.Words(r.err)), width) {
			lines = append(lines, r.theme.Bad.Render(line))
		}
	case r.session.Plan == nil:
		return layout.Wrap("Working out what has to change …", width), ""
	case r.config:
		if r.session.Purpose == session.ForRepair {
			lines = r.repairLines(width)
		}
		lines = append(lines, r.configLines(width)...)
	default:
		lines = r.planLines(width)
	}
	return layout.Scroll(lines, &r.top, -1, height)
}

// repairLines lists the steps of a repair, which are shown above the diff.
func (r *reviewScreen) repairLines(width int) []string {
	lines := layout.Wrap(
		"This is what changes in "+setupConfig+". The current file is kept in the backup. Press w to write.", width,
	)
	lines = append(lines, "")
	for _, step := range r.session.Repair.Chosen.Steps {
		lines = append(lines, layout.Hang("· ", layout.Clean(step), width)...)
	}
	return append(lines, "")
}

// planLines lists what happens to each file, and the consequences.
func (r *reviewScreen) planLines(width int) []string {
	var lines []string
	t := r.theme
	switch {
	case !r.session.Plan.Pending():
		lines = append(lines, layout.Wrap("The installation already matches the answers: nothing will be written. Enter runs the checks.", width)...)
	case replaces(r.session.Plan):
		lines = append(lines, layout.Wrap("These changes will be made. Replaced files are kept in a backup. Press w to write.", width)...)
	default:
		lines = append(lines, layout.Wrap("These files will be written, either all or none. Enter writes them.", width)...)
	}
	lines = append(lines, "")
	for _, f := range r.session.Plan.Findings {
		lines = append(lines, r.drawFinding(f, width)...)
	}
	if len(r.session.Plan.Findings) > 0 {
		lines = append(lines, "")
	}
	var directories []string
	for _, change := range r.session.Plan.Ordered() {
		if change.Mode.IsDir() && change.Kind == setup.Keep {
			continue
		}
		if change.Mode.IsDir() && change.Kind == setup.Create && len(change.Meaning) == 0 {
			directories = append(directories, describe.Path(r.session.Plan.Dir, change.Path))
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
		lines = append(lines, layout.Cut(style.Render(sign+" "+word)+"  "+describe.Path(r.session.Plan.Dir, change.Path), width))
		for _, meaning := range change.Meaning {
			for _, line := range layout.Wrap(describe.Fingerprints(layout.Clean(meaning)), width-10) {
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
	if len(r.session.Plan.Restart) > 0 {
		lines = append(lines, "", t.Title.Render("A running server must be restarted"))
		for _, why := range r.session.Plan.Restart {
			lines = append(lines, layout.Hang("  · ", layout.Clean(why), width)...)
		}
	}
	return append(lines, "", t.Muted.Render(layout.Cut("in "+layout.Clean(r.session.Plan.Dir), width)))
}

// configStays reports whether the plan leaves myconfig.yml unchanged.
func (r *reviewScreen) configStays() bool {
	return r.session.Plan != nil && !slices.ContainsFunc(r.session.Plan.Changes, func(c plan.Change) bool {
		return c.Path == filepath.Join(r.session.Plan.Dir, installation.ConfigFile) && c.Kind != setup.Keep
	})
}

// configLines shows how myconfig.yml changes, or the whole of a new one.
func (r *reviewScreen) configLines(width int) []string {
	path := filepath.Join(r.session.Plan.Dir, installation.ConfigFile)
	for _, change := range r.session.Plan.Changes {
		if change.Path != path {
			continue
		}
		if diff := r.session.Plan.Diff(path); change.Kind == setup.Update && diff != "" {
			return r.theme.Diff(diff, width)
		}
		return r.theme.YAML(string(change.After), width)
	}
	return nil
}
