package tui

import (
	"context"
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/plan"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// repairScreen shows why the server refuses myconfig.yml, and the ways to repair it.
type repairScreen struct {
	*ui
	layout.Chooser // among the repairs
	found          session.Faults
	known          bool // found is current
}

// Messages of the screen.
type (
	faultsMsg struct{ found session.Faults }
	editedMsg struct {
		path string
		err  error
	}
)

// Init implements screen: it checks the file or its edited draft.
func (r *repairScreen) Init() tea.Cmd {
	r.session.BeginRepair()
	return r.findFaults()
}

func (r *repairScreen) findFaults() tea.Cmd {
	r.Chooser, r.known = layout.Chooser{}, false
	find := r.session.FaultFinder()
	return r.start(r, "checking the file", func(ctx context.Context, _ func(tea.Msg)) tea.Msg { return faultsMsg{find(ctx)} })
}

// Update implements screen.
func (r *repairScreen) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case keyPress:
		return r.key(msg.name)
	case faultsMsg:
		r.found, r.known = msg.found, true
		if len(r.found.Faults) == 0 && r.session.Repair.Draft != nil { // the user repaired it
			return r.choose(r.session.Repair.Edited())
		}
	case editedMsg:
		return r.edited(msg)
	}
	return nil
}

// choose opens the review of a repair.
func (r *repairScreen) choose(chosen plan.Repair) tea.Cmd {
	r.session.Repair.Chosen, r.session.Purpose = chosen, session.ForRepair
	return r.open(reviewing)
}

func (r *repairScreen) key(name string) tea.Cmd {
	if r.Key(name, len(r.found.Repairs), r.height) {
		return nil
	}
	switch name {
	case "esc", "q":
		if r.session.Managed {
			return r.home()
		}
		r.notice = "setup continues when this file is correct; ctrl+c leaves it as it is"
		if r.job != nil {
			r.cancelJob()
			r.notice = "stopped; enter checks again"
		}
	case "enter", " ":
		if !r.known && r.job == nil {
			return r.findFaults()
		}
		if r.job != nil || r.At >= len(r.found.Repairs) {
			return nil
		}
		switch chosen := r.found.Repairs[r.At]; chosen.ID {
		case session.EditRepair:
			return r.edit()
		case session.DiscardRepair:
			r.session.Repair.Draft = nil
			return r.findFaults()
		default:
			return r.choose(chosen)
		}
	}
	return nil
}

// edit lends the terminal to an editor on a copy of the file.
func (r *repairScreen) edit() tea.Cmd {
	path, command, err := r.session.EditCommand()
	if err != nil {
		r.notice = err.Error()
		return nil
	}
	command.Stdin, command.Stdout, command.Stderr = r.options.In, r.options.Out, r.options.Out
	return r.exec(command, func(err error) tea.Msg { return mailMsg{r, editedMsg{path, err}} })
}

// edited continues after the editor has ended.
func (r *repairScreen) edited(msg editedMsg) tea.Cmd {
	changed, err := r.session.Edited(msg.path, msg.err)
	switch {
	case err != nil:
		r.notice = err.Error()
		return nil
	case !changed:
		r.notice = "nothing was edited"
		return nil
	}
	return r.findFaults()
}

// Keys implements screen.
func (r *repairScreen) Keys(bool) []key.Binding {
	var keys []key.Binding
	if r.job == nil {
		keys = append(keys, bind("↑↓", "choose"), bind("enter", "do it"))
	}
	if r.session.Managed {
		keys = append(keys, bind("esc", "back"))
	}
	return append(keys, bind("?", "help"), bind("ctrl+c", "leave"))
}

// Title implements screen.
func (r *repairScreen) Title() string { return "Repair " + setupConfig }

// Help implements screen.
func (r *repairScreen) Help() string { return repairHelp }

// View implements screen.
func (r *repairScreen) View(width, height int) ([]string, string) {
	t := r.theme
	if !r.known {
		return layout.Wrap("Checking the file, and finding ways to repair it …", width), ""
	}
	words := "The server refuses this file. Nothing is changed before the review, and the current file is kept in the backup."
	if r.session.Repair.Draft != nil && len(r.found.Faults) == 0 {
		words = "Your edited copy is valid. It is kept until you leave; the file itself is unchanged."
	} else if r.session.Repair.Draft != nil {
		words = "Your edited copy is refused as well. It is kept until you leave; the file itself is unchanged."
	}
	lines := append(layout.Wrap(words, width), "")
	for _, fault := range r.found.Faults {
		lines = append(append(lines, r.faultLines(fault, width)...), "")
	}
	var items []string
	first, last := 0, 0
	for i, way := range r.found.Repairs {
		if i == r.At {
			first = len(items)
		}
		items = append(items, r.taskLines(session.Task{Name: way.Title, Text: way.Text}, i == r.At, width)...)
		if i == r.At && way.ID == plan.InPlace {
			for _, step := range way.Steps {
				for _, line := range layout.Hang("· ", layout.Clean(step), width-4) {
					items = append(items, "    "+t.Muted.Render(line))
				}
			}
		}
		if i == r.At {
			last = len(items) - 1
		}
	}
	if len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return r.Show(lines, items, first, last, height)
}

// faultLines draws a fault: place and cause, remedy, and the lines around it with a pointer below
// the column.
func (r *repairScreen) faultLines(fault plan.Fault, width int) []string {
	t := r.theme
	var lines []string
	for _, line := range layout.Hang(theme.Failed+" ", layout.Clean(describe.FaultPlace(fault)+fault.What), width) {
		lines = append(lines, t.Bad.Render(line))
	}
	if fault.Remedy != "" {
		for _, line := range layout.Hang("  ", layout.Clean(fault.Remedy), width) {
			lines = append(lines, t.Muted.Render(line))
		}
	}
	for _, line := range fault.Excerpt {
		number, style := fmt.Sprintf("   %4d │ ", line.Number), t.Muted
		if line.Here {
			number, style = fmt.Sprintf(" %s %4d │ ", theme.Pointer, line.Number), t.Plain
		}
		lines = append(lines, layout.Cut(t.Muted.Render(number)+style.Render(layout.Clean(line.Text)), width))
		if line.Here && fault.Column > 0 && fault.Column+10 <= width {
			lines = append(lines, t.Muted.Render("        │ ")+strings.Repeat(" ", fault.Column-1)+t.Bad.Render("^"))
		}
	}
	return lines
}

// repairHelp explains the screen.
const repairHelp = `myconfig.yml was edited by hand, and the server refuses it; a running server keeps its last good configuration. Repair in place fixes values whose ` +
	`meaning is clear, and comments out what cannot be read; it does not touch access, TLS or storage paths. Restore the backup returns to the file ` +
	`before the last change. Write a new file uses the settings that can still be read. Edit opens a copy in the editor that VISUAL or EDITOR names, and checks it ` +
	`afterwards. Each of them shows the difference line by line, and writes only after you confirm. The current file is kept, and Roll back restores it.`
