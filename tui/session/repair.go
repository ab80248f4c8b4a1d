package session

import (
	"bytes"
	"context"
	"path/filepath"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// Repair is the repair of a myconfig.yml that the server refuses.
type Repair struct {
	From   []byte      // the file when the repair began
	Draft  []byte      // the file as edited by the user; nil: not edited
	Chosen plan.Repair // whose changes are reviewed
}

// IDs of the repairs that the user interface carries out.
const (
	EditRepair    = "edit"
	DiscardRepair = "discard"
)

// Data returns the content to repair.
func (r *Repair) Data() []byte {
	if r.Draft != nil {
		return r.Draft
	}
	return r.From
}

// Edited returns the repair that takes the edited copy.
func (r *Repair) Edited() plan.Repair {
	return plan.Repair{
		ID: "edited", Title: "Use the edited copy", Text: "the review shows what it changes", Data: r.Draft,
		Steps: []string{"as you edited it"},
	}
}

// BeginRepair begins the repair of the configuration, or continues it if the file has not changed.
func (s *Session) BeginRepair() {
	if !bytes.Equal(s.Repair.From, s.Installed.ConfigData) {
		s.Repair = Repair{From: s.Installed.ConfigData}
	}
	s.Plan, s.Steps = nil, nil
}

// Faults are what is wrong with a configuration, and the ways to repair it.
type Faults struct {
	Faults  []plan.Fault
	Repairs []plan.Repair
}

// FaultFinder returns the function that finds the faults of the file, or of its draft, and the ways
// to repair them.
func (s *Session) FaultFinder() func(ctx context.Context) Faults {
	in, machine, repair, editor := s.Installed, s.Machine, s.Repair, s.Options.Editor != nil
	path := filepath.Join(in.Dir, installation.ConfigFile)
	return func(ctx context.Context) Faults {
		data := repair.Data()
		found := Faults{Faults: plan.Faults(path, data)}
		if len(found.Faults) == 0 && repair.Draft != nil {
			found.Repairs = append(found.Repairs, repair.Edited())
		}
		found.Repairs = append(found.Repairs, plan.Repairs(ctx, machine, in, data)...)
		if editor {
			title := "Edit"
			if repair.Draft != nil {
				title = "Edit again"
			}
			found.Repairs = append(found.Repairs,
				plan.Repair{ID: EditRepair, Title: title, Text: "opens a copy in your editor and checks it afterwards"})
		}
		if repair.Draft != nil {
			found.Repairs = append(found.Repairs,
				plan.Repair{ID: DiscardRepair, Title: "Discard the edits", Text: "back to the file as it is"})
		}
		return found
	}
}

// repairPlanner returns the function that makes the plan of the chosen repair.
func (s *Session) repairPlanner() func(ctx context.Context) (*plan.Plan, error) {
	in, repair, reread := s.Installed, s.Repair, s.Options.Reread
	return func(ctx context.Context) (*plan.Plan, error) {
		if reread != nil {
			read, err := reread(ctx)
			if err != nil {
				return nil, err
			}
			in = read
		}
		return plan.ForRepair(in, repair.From, repair.Chosen.Data, repair.Chosen.Steps)
	}
}
