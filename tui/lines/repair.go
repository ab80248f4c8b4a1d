package lines

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/describe"
	"packhouse/tui/session"
)

// repair shows the faults of a configuration that is refused, and applies the repair that the user
// chooses. It reports whether one was applied.
func (l *mode) repair() (bool, error) {
	s := l.session
	s.BeginRepair()
	l.say("")
	l.say("The server refuses %s.", filepath.Join(s.Installed.Dir, installation.ConfigFile))
	for {
		found := s.FaultFinder()(l.ctx)
		l.faults(found)
		chosen, err := l.chooseRepair(found.Repairs)
		if err != nil || chosen == nil {
			return false, err
		}
		switch chosen.ID {
		case session.EditRepair:
			if err := l.edit(); err != nil {
				l.mistake("%v", err)
			}
			continue
		case session.DiscardRepair:
			s.Repair.Draft = nil
			continue
		}
		s.Repair.Chosen, s.Purpose = *chosen, session.ForRepair
		if _, err := l.review(); err != nil {
			return false, err
		}
		if l.repaired {
			l.repaired = false
			return true, nil
		}
	}
}

// faults prints the faults and the ways to repair them.
func (l *mode) faults(found session.Faults) {
	for _, fault := range found.Faults {
		l.say("Fault, %s%s", describe.FaultPlace(fault), fault.What)
		if fault.Remedy != "" {
			l.say("  %s", fault.Remedy)
		}
		for _, line := range fault.Excerpt {
			l.say("  line %d: %s", line.Number, line.Text)
		}
	}
	for i, repair := range found.Repairs {
		l.say("%d. %s: %s", i+1, repair.Title, repair.Text)
		if repair.ID == plan.InPlace {
			for _, step := range repair.Steps {
				l.say("  %s", step)
			}
		}
	}
}

// chooseRepair asks which repair to apply. It returns nil for none.
func (l *mode) chooseRepair(repairs []plan.Repair) (*plan.Repair, error) {
	for {
		text, err := l.readLine(fmt.Sprintf("Choose a repair from 1 to %d, or quit: ", len(repairs)), false)
		if err != nil {
			return nil, err
		}
		if text == "quit" || text == "q" || text == "back" {
			l.say("Nothing was written.")
			return nil, nil
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(repairs) {
			return &repairs[n-1], nil
		}
		l.mistake("%q is not one of the choices", text)
	}
}

// edit runs an editor on a copy of the file, and keeps the result as the draft.
func (l *mode) edit() error {
	path, command, err := l.session.EditCommand()
	if err != nil {
		return err
	}
	command.Stdout, command.Stderr = l.out, l.out
	if terminal, ok := l.in.(*os.File); ok { // of anything else, the editor would consume the next answers
		command.Stdin = terminal
	}
	_, err = l.session.Edited(path, command.Run())
	return err
}
