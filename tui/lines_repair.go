package tui

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// repair shows the faults of a configuration that is refused, and applies the repair that the user chooses. It reports whether one was
// applied.
func (l *lines) repair() (bool, error) {
	m, r := l.m, &l.m.repair
	*r = repair{from: m.installed.ConfigData}
	path := filepath.Join(m.installed.Dir, installation.ConfigFile)
	l.say("")
	l.say("The server would not start on %s.", path)
	for {
		faults := plan.Faults(path, r.data())
		for _, fault := range faults {
			l.say("Wrong, %s%s", faultPlace(fault), fault.What)
			if fault.Remedy != "" {
				l.say("  %s", fault.Remedy)
			}
			for _, line := range fault.Excerpt {
				l.say("  line %d: %s", line.Number, line.Text)
			}
		}
		var ways []plan.Repair
		if len(faults) == 0 {
			ways = append(ways, plan.Repair{Title: "Take the edited copy", Text: "the review shows what it changes", Data: r.draft, Steps: []string{"as you edited it"}})
		}
		ways = append(ways, plan.Repairs(l.ctx, m.machine, m.installed, r.data())...)
		if m.options.Editor != nil {
			ways = append(ways, plan.Repair{ID: editWay, Title: "Edit", Text: "a copy of it in your editor; it is looked at again afterwards"})
		}
		for i, way := range ways {
			l.say("%d. %s: %s", i+1, way.Title, way.Text)
			if way.ID == "mend" {
				for _, step := range way.Steps {
					l.say("  %s", step)
				}
			}
		}
		way, err := l.way(ways)
		if err != nil || way == nil {
			return false, err
		}
		if way.ID == editWay {
			if err := l.edit(); err != nil {
				l.mistake("%v", err)
			}
			continue
		}
		r.chosen = *way
		m.review = review{mend: true}
		if _, err := l.review(func(ctx context.Context) (*plan.Plan, error) { return m.repairPlan(ctx) }); err != nil {
			return false, err
		}
		if m.mended {
			m.mended = false
			return true, nil
		}
	}
}

// way asks which repair to apply. It returns nil for none.
func (l *lines) way(ways []plan.Repair) (*plan.Repair, error) {
	for {
		text, err := l.hear(fmt.Sprintf("Which way? A number from 1 to %d, or quit: ", len(ways)), false)
		if err != nil {
			return nil, err
		}
		if text == "quit" || text == "q" || text == "back" {
			l.say("Nothing was written.")
			return nil, nil
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(ways) {
			return &ways[n-1], nil
		}
		l.mistake("%q is not one of the choices", text)
	}
}

// edit hands the terminal to an editor and takes in what comes out of it.
func (l *lines) edit() error {
	r := &l.m.repair
	path, err := copyToEdit(r.data())
	if err != nil {
		return err
	}
	command, err := l.m.editor(path)
	if err == nil {
		err = command.Run()
	}
	data, failed := readEdited(path)
	if err != nil {
		return fmt.Errorf("edit a copy: %w", err)
	}
	if failed != nil {
		return failed
	}
	r.draft = data
	return nil
}
