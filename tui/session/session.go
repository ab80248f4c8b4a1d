package session

import (
	"context"
	"maps"
	"slices"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

// Session is the state of one run. Only the goroutine that owns it may use it.
type Session struct {
	Options Options
	Interview
	Server

	State    *installation.State // of the managed installation; nil: not known
	Managed  bool                // the session began with an installation, and returns to it
	Findings []finding.Finding   // about the answers that the session began with
	Outlook  []finding.Finding   // about the machine

	Purpose Purpose
	Plan    *plan.Plan // nil: there is none
	Repair  Repair

	Generated []plan.Password // passwords that were generated in this session and are valid
	Given     []string        // users whose password was set in this session
	Viewed    bool            // the generated passwords were shown
	Outcome   Outcome
}

// New returns a session that starts from o.Beginning. If o.Begin is set, pass the result of Detect
// to Begin instead.
func New(o Options) *Session {
	o = o.fill()
	s := &Session{Options: o, Interview: Interview{all: o.Steps}, Server: Server{start: o.Start, stop: o.Stop}}
	if o.Begin == nil {
		s.Begin(o.Beginning)
	}
	return s
}

// Detect returns what the session begins with, and the findings about the machine. It may be called
// from any goroutine.
func (s *Session) Detect(ctx context.Context) (Beginning, error) {
	b, err := s.Options.Begin(ctx)
	switch {
	case err != nil || b.Installed.Refused():
	case b.State != nil:
		b.outlook = question.MachineNotes(s.Options.Size(), b.State)
	default:
		b.outlook = question.Outlook(b.Machine, &b.Resolved.Answers)
	}
	return b, err
}

// Begin sets the state that the session starts from, or starts over from.
func (s *Session) Begin(b Beginning) {
	s.Machine, s.Installed, s.Answers = b.Machine, b.Installed, b.Resolved.Answers
	s.Findings, s.Outlook = b.Findings, b.outlook
	s.Origins = make(map[string]answer.Origin, len(b.Resolved.Origins))
	maps.Copy(s.Origins, b.Resolved.Origins)
	if b.State != nil {
		s.Managed, s.State, s.Steps = true, b.State, nil
	}
}

// Finish completes and returns the outcome.
func (s *Session) Finish() Outcome {
	s.Outcome.Resolved, s.Outcome.Managed = s.Resolved(), s.Managed
	if len(s.Generated) > 0 && !s.Viewed {
		s.Outcome.Unseen = slices.Clone(s.Generated)
	}
	return s.Outcome
}

// OutlookChecker returns the function that checks the machine again, because the user may have
// fixed what blocked the wizard.
func (s *Session) OutlookChecker() func() []finding.Finding {
	answers, machine := s.Resolved().Answers, s.Machine
	return func() []finding.Finding { return question.Outlook(machine, &answers) }
}

// Preview returns myconfig.yml for the current answers.
func (s *Session) Preview() []byte {
	if s.Options.Preview != nil {
		return s.Options.Preview(s.Resolved().Answers)
	}
	return plan.Preview(s.Installed, s.Resolved().Answers)
}

// Intro lists what is shown before the first question: the existing installation, and findings that
// belong to no question.
func (s *Session) Intro() []finding.Finding {
	var out []finding.Finding
	if in := s.Installed; in.Exists() && !s.Managed {
		out = append(out, finding.Finding{
			Severity: finding.Note, What: "an installation is in " + in.Dir,
			Remedy: "the answers are its current settings; only what you change is changed",
		})
		if in.Problem != nil {
			out = append(out, finding.Finding{Severity: finding.Warning, What: in.Problem.Error()})
		}
	}
	if in := s.Installed; in != nil && in.Recovered != "" {
		out = append(out, finding.Finding{Severity: finding.Warning, What: in.Recovered})
	}
	for _, f := range s.Findings {
		if !s.asks(f.Question) {
			out = append(out, f)
		}
	}
	if !s.Managed {
		for _, f := range s.Outlook {
			if f.Flag != "" { // no question can change it, so name the flag
				f.What, f.Flag = f.Flag+": "+f.What, ""
			}
			out = append(out, f)
		}
	}
	return out
}
