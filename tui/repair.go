package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// repair is the screen for a myconfig.yml that the server refuses: what is wrong with it, and the ways to one that it takes.
type repair struct {
	from    []byte // the file as it was looked at
	draft   []byte // the file as edited by the user; nil: not edited
	faults  []plan.Fault
	ways    []plan.Repair
	looked  bool
	chooser             // among the ways
	chosen  plan.Repair // that is being reviewed
}

// The ways that are the screen's own.
const (
	editWay    = "edit"
	discardWay = "discard"
)

// Messages of the screen.
type (
	faultsMsg struct {
		faults []plan.Fault
		ways   []plan.Repair
	}
	editedMsg struct {
		path string
		err  error
	}
)

// mostEdited bounds what is read back from an editor.
const mostEdited = 1 << 20

// openRepair reads the file or its edited draft and shows its faults.
func (m *model) openRepair() tea.Cmd {
	r := &m.repair
	if !bytes.Equal(r.from, m.installed.ConfigData) {
		*r = repair{from: m.installed.ConfigData}
	}
	m.phase, m.plan, m.forms = repairing, nil, nil
	return m.lookAtFaults()
}

func (m *model) lookAtFaults() tea.Cmd {
	r := &m.repair
	r.chooser, r.looked = chooser{}, false
	in, machine, data, edited := m.installed, m.machine, r.data(), r.draft != nil
	path, editor := filepath.Join(in.Dir, installation.ConfigFile), m.options.Editor != nil
	return m.start("looking for ways", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		ways := plan.Repairs(ctx, machine, in, data)
		if editor {
			title := "Edit"
			if edited {
				title = "Edit again"
			}
			ways = append(ways,
				plan.Repair{ID: editWay, Title: title, Text: "a copy of it in your editor; it is looked at again afterwards"})
		}
		if edited {
			ways = append(ways, plan.Repair{ID: discardWay, Title: "Discard the edits", Text: "back to the file as it is"})
		}
		return faultsMsg{plan.Faults(path, data), ways}
	})
}

// data returns the content to repair.
func (r *repair) data() []byte {
	if r.draft != nil {
		return r.draft
	}
	return r.from
}

func (m *model) foundFaults(msg faultsMsg) tea.Cmd {
	r := &m.repair
	r.faults, r.ways, r.looked = msg.faults, msg.ways, true
	if len(r.faults) == 0 && r.draft != nil { // it was repaired by hand
		edited := plan.Repair{
			ID: "edited", Title: "Take the edited copy", Text: "the review shows what it changes", Data: r.draft,
			Steps: []string{"as you edited it"},
		}
		r.ways = append([]plan.Repair{edited}, r.ways...)
		return m.planRepair(edited)
	}
	return nil
}

// planRepair shows the changes of a repair. Nothing is written before confirmation.
func (m *model) planRepair(way plan.Repair) tea.Cmd {
	m.repair.chosen = way
	m.phase, m.plan, m.review = reviewing, nil, review{mend: true, config: true}
	planner := m.repairPlan
	return m.start("making the plan", func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		made, err := planner(ctx)
		return plannedMsg{made, err}
	})
}

// repairPlan makes the plan of the chosen way.
func (m *model) repairPlan(ctx context.Context) (*plan.Plan, error) {
	in := m.installed
	if m.options.Reread != nil {
		read, err := m.options.Reread(ctx)
		if err != nil {
			return nil, err
		}
		in = read
	}
	return plan.ForRepair(in, m.repair.from, m.repair.chosen.Data, m.repair.chosen.Steps)
}

func (m *model) repairKey(name string) tea.Cmd {
	r := &m.repair
	if r.key(name, len(r.ways), m.height) {
		return nil
	}
	switch name {
	case "esc", "q":
		if m.manager.on {
			return m.goHome()
		}
		m.notice = "setup continues when this file is correct; ctrl+c leaves it as it is"
		if m.job != nil {
			m.cancelJob()
			m.notice = "stopped; enter looks again"
		}
	case "enter", " ":
		if !r.looked && m.job == nil {
			return m.lookAtFaults()
		}
		if m.job != nil || r.at >= len(r.ways) {
			return nil
		}
		switch way := r.ways[r.at]; way.ID {
		case editWay:
			return m.edit()
		case discardWay:
			r.draft = nil
			return m.lookAtFaults()
		default:
			return m.planRepair(way)
		}
	}
	return nil
}

// edit runs an editor on a copy that only this user can read, because the file may hold secrets.
func (m *model) edit() tea.Cmd {
	path, err := copyToEdit(m.repair.data())
	if err != nil {
		m.notice = err.Error()
		return nil
	}
	command, err := m.editor(path)
	if err != nil {
		_ = os.Remove(path)
		m.notice = err.Error()
		return nil
	}
	return m.exec(command, func(err error) tea.Msg { return editedMsg{path, err} })
}

// editor is the command that edits a file on this terminal.
func (m *model) editor(path string) (*exec.Cmd, error) {
	if m.options.Editor != nil {
		if command := m.options.Editor(path); command != nil {
			command.Stdin, command.Stdout, command.Stderr = m.options.In, m.options.Out, m.options.Out
			return command, nil
		}
	}
	return nil, errors.New("there is no editor here: name one in the variable EDITOR")
}

func copyToEdit(data []byte) (string, error) {
	file, err := os.CreateTemp("", "myconfig-*.yml") // 0600
	if err != nil {
		return "", fmt.Errorf("copy the file: %w", err)
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(file.Name())
		return "", fmt.Errorf("copy the file: %w", err)
	}
	return file.Name(), nil
}

// readEdited reads what came out of an editor, and takes the copy away.
func readEdited(path string) ([]byte, error) {
	defer func() { _ = os.Remove(path) }()
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read what was edited: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, mostEdited+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read what was edited: %w", err)
	case len(data) > mostEdited:
		return nil, errors.New("read what was edited: it is over 1 MiB")
	}
	return data, nil
}

// edited takes in what came out of the editor.
func (m *model) edited(msg editedMsg) tea.Cmd {
	r := &m.repair
	data, err := readEdited(msg.path)
	switch {
	case msg.err != nil:
		m.notice = "the editor ended with an error, and nothing was taken over: " + msg.err.Error()
		return nil
	case err != nil:
		m.notice = err.Error()
		return nil
	case bytes.Equal(data, r.data()):
		m.notice = "nothing was edited"
		return nil
	}
	r.draft = data
	return m.lookAtFaults()
}

func (m *model) repairKeys() []key.Binding {
	keys := []key.Binding{bind("↑↓", "choose"), bind("enter", "do it")}
	if m.job != nil {
		keys = nil
	}
	if m.manager.on {
		keys = append(keys, bind("esc", "back"))
	}
	return append(keys, bind("?", "help"))
}

func (m *model) repairBody(width, height int) ([]string, string) {
	r, t := &m.repair, m.theme
	if !r.looked {
		return layout.Wrap("Looking at the file, and for ways to put it right …", width), ""
	}
	words := "The server would not start on this file. Nothing is changed before the review, and the file as it is now is kept in the backup."
	if r.draft != nil && len(r.faults) == 0 {
		words = "Your edited copy is fine. It is kept here until you leave; the file itself is as it was."
	} else if r.draft != nil {
		words = "Your edited copy is refused as well. It is kept here until you leave; the file itself is as it was."
	}
	lines := append(layout.Wrap(words, width), "")
	for _, fault := range r.faults {
		lines = append(append(lines, m.faultLines(fault, width)...), "")
	}
	var items []string
	first, last := 0, 0
	for i, way := range r.ways {
		if i == r.at {
			first = len(items)
		}
		items = append(items, m.taskLines(task{name: way.Title, text: way.Text}, i == r.at, width)...)
		if i == r.at && way.ID == "mend" {
			for _, step := range way.Steps {
				for _, line := range layout.Hang("· ", clean(step), width-4) {
					items = append(items, "    "+t.Muted.Render(line))
				}
			}
		}
		if i == r.at {
			last = len(items) - 1
		}
	}
	if len(lines) > 0 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return r.show(lines, items, first, last, height)
}

// mendLines list the repairs above the diff.
func (m *model) mendLines(width int) []string {
	lines := layout.Wrap(
		"This is what changes in "+setupConfig+". The file as it is now is kept in the backup. Press w to write.",
		width,
	)
	lines = append(lines, "")
	for _, step := range m.repair.chosen.Steps {
		lines = append(lines, layout.Hang("· ", clean(step), width)...)
	}
	return append(lines, "")
}

// faultLines draw one fault: where and what, what to do, and the lines around it with a pointer below the column.
func (m *model) faultLines(fault plan.Fault, width int) []string {
	t := m.theme
	var lines []string
	for _, line := range layout.Hang(theme.Failed+" ", clean(faultPlace(fault)+fault.What), width) {
		lines = append(lines, t.Bad.Render(line))
	}
	if fault.Remedy != "" {
		for _, line := range layout.Hang("  ", clean(fault.Remedy), width) {
			lines = append(lines, t.Muted.Render(line))
		}
	}
	for _, line := range fault.Excerpt {
		number, style := fmt.Sprintf("   %4d │ ", line.Number), t.Muted
		if line.Here {
			number, style = fmt.Sprintf(" %s %4d │ ", theme.Pointer, line.Number), t.Plain
		}
		lines = append(lines, layout.Cut(t.Muted.Render(number)+style.Render(clean(line.Text)), width))
		if line.Here && fault.Column > 0 && fault.Column+10 <= width {
			lines = append(lines, t.Muted.Render("        │ ")+strings.Repeat(" ", fault.Column-1)+t.Bad.Render("^"))
		}
	}
	return lines
}

func faultPlace(fault plan.Fault) string {
	switch {
	case fault.Line > 0 && fault.Column > 0:
		return fmt.Sprintf("line %d, column %d: ", fault.Line, fault.Column)
	case fault.Line > 0:
		return fmt.Sprintf("line %d: ", fault.Line)
	}
	return ""
}

// repairHelp is shown beside a file that is refused.
const repairHelp = `myconfig.yml was edited by hand, and the server would not start on it; one that runs keeps its last good state. Put it right changes single places where there ` +
	`is no doubt about what was meant, and puts out of force, with a #, what nobody can read; what says who may come in, TLS and where content lies it leaves to you. Take the ` +
	`backup goes back to the file before the last change. Write it anew makes a fresh one of the settings that can still be read. Edit opens a copy in the editor that VISUAL ` +
	`or EDITOR names, and looks at it again afterwards. Each of them shows the difference line by line, and writes it only when that was confirmed; the file as it is now is ` +
	`kept, and Roll back brings it back.`
