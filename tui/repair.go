package tui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// repairScreen shows why the server refuses myconfig.yml, and the ways to repair it.
type repairScreen struct {
	*ui
	chooser // among the repairs
	found   session.Faults
	known   bool // found is current
}

// Messages of the screen.
type (
	faultsMsg struct{ found session.Faults }
	editedMsg struct {
		path string
		err  error
	}
)

// maxEdited bounds in bytes what is read back from an editor.
const maxEdited = 1 << 20

// Init implements screen: it checks the file or its edited draft.
func (r *repairScreen) Init() tea.Cmd {
	r.session.BeginRepair()
	return r.findFaults()
}

func (r *repairScreen) findFaults() tea.Cmd {
	r.chooser, r.known = chooser{}, false
	find := r.session.FaultFinder(r.options.Editor != nil)
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
	if r.chooser.key(name, len(r.found.Repairs), r.height) {
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
		if r.job != nil || r.at >= len(r.found.Repairs) {
			return nil
		}
		switch chosen := r.found.Repairs[r.at]; chosen.ID {
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

// edit runs an editor on a copy that only this user can read, because the file may hold secrets.
func (r *repairScreen) edit() tea.Cmd {
	path, err := copyToEdit(r.session.Repair.Data())
	if err != nil {
		r.notice = err.Error()
		return nil
	}
	command, err := editor(r.options, path)
	if err != nil {
		_ = os.Remove(path)
		r.notice = err.Error()
		return nil
	}
	return r.exec(command, func(err error) tea.Msg { return mailMsg{r, editedMsg{path, err}} })
}

// editor returns the command that edits a file on this terminal.
func editor(o Options, path string) (*exec.Cmd, error) {
	if o.Editor != nil {
		if command := o.Editor(path); command != nil {
			command.Stdin, command.Stdout, command.Stderr = o.In, o.Out, o.Out
			return command, nil
		}
	}
	return nil, errors.New("no editor found: set the environment variable EDITOR")
}

// copyToEdit writes data to a temporary file that only this user can read.
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

// readEdited reads the edited copy and removes it.
func readEdited(path string) ([]byte, error) {
	defer func() { _ = os.Remove(path) }()
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the edited copy: %w", err)
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxEdited+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the edited copy: %w", err)
	case len(data) > maxEdited:
		return nil, errors.New("read the edited copy: it is larger than 1 MiB")
	}
	return data, nil
}

// edited reads the copy after the editor has ended.
func (r *repairScreen) edited(msg editedMsg) tea.Cmd {
	data, err := readEdited(msg.path)
	switch {
	case msg.err != nil:
		r.notice = "the editor ended with an error, so the edits are discarded: " + msg.err.Error()
		return nil
	case err != nil:
		r.notice = err.Error()
		return nil
	case bytes.Equal(data, r.session.Repair.Data()):
		r.notice = "nothing was edited"
		return nil
	}
	r.session.Repair.Draft = data
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
		if i == r.at {
			first = len(items)
		}
		items = append(items, r.taskLines(session.Task{Name: way.Title, Text: way.Text}, i == r.at, width)...)
		if i == r.at && way.ID == plan.InPlace {
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
	return r.chooser.show(lines, items, first, last, height)
}

// faultLines draws a fault: place and cause, remedy, and the lines around it with a pointer below
// the column.
func (r *repairScreen) faultLines(fault plan.Fault, width int) []string {
	t := r.theme
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

// repairHelp explains the screen.
const repairHelp = `myconfig.yml was edited by hand, and the server refuses it; a running server keeps its last good configuration. Repair in place fixes values whose ` +
	`meaning is clear, and comments out what cannot be read; it does not touch access, TLS or storage paths. Restore the backup returns to the file ` +
	`before the last change. Write a new file uses the settings that can still be read. Edit opens a copy in the editor that VISUAL or EDITOR names, and checks it ` +
	`afterwards. Each of them shows the difference line by line, and writes only after you confirm. The current file is kept, and Roll back restores it.`
