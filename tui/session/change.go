package session

import (
	"context"
	"errors"
	"slices"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// Purpose is what the plan is for.
type Purpose int

// Purposes.
const (
	ForAnswers  Purpose = iota // make the installation match the answers
	ForRollback                // restore the files before the last change
	ForRepair                  // correct a myconfig.yml that the server refuses
)

// Planner returns the function that makes the plan for the session's purpose.
func (s *Session) Planner() func(ctx context.Context) (*plan.Plan, error) {
	switch s.Purpose {
	case ForRollback:
		return s.Options.Rollback
	case ForRepair:
		return s.repairPlanner()
	case ForAnswers:
	}
	resolved, makePlan := s.Resolved(), s.Options.Plan
	return func(ctx context.Context) (*plan.Plan, error) { return makePlan(ctx, resolved) }
}

// ApplyResult is the result of applying a plan.
type ApplyResult struct {
	Applied   *apply.Applied
	Installed *installation.Installed // afterwards; nil: not known
	Err       error
}

// Applier returns the function that applies the plan and loads the installation afterwards.
// progress is called for each change, from the goroutine that applies it.
func (s *Session) Applier(progress func(verb, path string)) func(ctx context.Context) ApplyResult {
	planned, running, rollback, o := s.Plan, s.Running, s.Purpose == ForRollback, s.Options
	return func(ctx context.Context) ApplyResult {
		applied, err := o.Apply(ctx, planned, progress)
		if errors.Is(err, context.Canceled) {
			err = errors.New("stopped; nothing was changed")
		}
		result := ApplyResult{Applied: applied, Err: err}
		if err == nil && o.Reread != nil {
			ctx = context.WithoutCancel(ctx)
			result.Installed, _ = o.Reread(ctx) // the checks report what is wrong with it
			if rollback && running != nil && result.Installed != nil && result.Installed.ConfigData == nil {
				_ = running.Shutdown(ctx) // its files are gone; the log says how it ended
			}
		}
		return result
	}
}

// Next is what follows an applied plan.
type Next int

// What follows an applied plan.
const (
	Check   Next = iota // start the server and run the checks
	Refused             // the server refuses the restored configuration
	Gone                // there was no installation before the change that was rolled back
)

// Accept records that the plan was applied, and returns what to do next. The result must have no
// error.
func (s *Session) Accept(result ApplyResult) Next {
	s.Outcome.Stage, s.Outcome.Plan, s.Outcome.Applied = Applied, s.Plan, result.Applied
	s.settle()
	s.Unsaved = nil
	if result.Installed != nil { // the next questions and the preview start from it
		s.Installed = result.Installed
		s.Answers.Rebase(result.Installed)
	}
	if s.Purpose == ForAnswers {
		return Check
	}
	s.Outcome.Stage, s.Outcome.Plan, s.Outcome.Applied, s.Outcome.Report = Asked, nil, nil, check.Report{}
	if s.Purpose == ForRepair {
		s.Repair = Repair{}
	} else {
		s.Generated, s.Given = nil, nil // of users as they were before the rollback
	}
	switch in := result.Installed; {
	case in.Refused(): // it was edited by hand; a running server keeps its last good state
		return Refused
	case in == nil || in.ConfigData != nil:
		return Check
	}
	s.Running = nil
	return Gone
}

// settle makes the answers those of the installation that was just written, so that the user
// changes only what is changed next, and gets no second certificate or password.
func (s *Session) settle() {
	for _, fresh := range s.Plan.Passwords {
		s.forget(fresh.User)
		s.Generated = append(s.Generated, fresh)
	}
	if len(s.Plan.Passwords) > 0 {
		s.Viewed = false
	}
	users := slices.Clone(s.Answers.Users)
	for i := range users {
		name := users[i].Name
		s.Given = slices.DeleteFunc(s.Given, func(given string) bool {
			return given == name && users[i].Source != setup.Kept && users[i].Source != setup.Unspecified
		})
		switch users[i].Source {
		case setup.Typed, setup.FromFile, setup.FromEnv, setup.FromStdin:
			s.Given = append(s.Given, name)
			s.forget(name)
		case setup.Generated, setup.Kept, setup.Unspecified:
		}
		users[i].Source, users[i].Password = setup.Kept, ""
	}
	s.Generated = slices.DeleteFunc(s.Generated, func(old plan.Password) bool {
		return !slices.ContainsFunc(users, func(u setup.User) bool { return u.Name == old.User })
	})
	s.Answers.Users, s.Answers.RemoveUsers, s.Answers.NoSANs = users, nil, nil
	s.Answers.RotateCert, s.Answers.NewKey, s.Answers.NewCA = false, false, false
	for _, step := range s.Steps {
		for _, q := range step.Questions {
			s.Origins[q.ID] = answer.FromInstallation
		}
	}
}

// forget drops the generated password of a user.
func (s *Session) forget(user string) {
	s.Generated = slices.DeleteFunc(s.Generated, func(old plan.Password) bool { return old.User == user })
}

// RollBack makes a rollback the purpose of the next plan. A managed session closes its steps;
// otherwise the user can return to them.
func (s *Session) RollBack() {
	s.Purpose = ForRollback
	if s.Managed {
		s.Steps = nil
	}
}

// CanRollBack reports whether a change of this session can be rolled back after its checks failed
// or its server did not start.
func (s *Session) CanRollBack() bool { return s.Options.Rollback != nil && s.Outcome.Applied != nil }
