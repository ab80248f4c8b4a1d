package session

import (
	"context"
	"slices"

	"packhouse/setup/check"
	"packhouse/setup/plan"
)

// Proof is the result of a run of the checks.
type Proof struct {
	Report check.Report
	Card   plan.Card
}

// Prover returns the function that runs the checks and collects the content of the card. report is
// called for each step of the checks, from the goroutine that runs them.
func (s *Session) Prover(report func(check.Event)) func(ctx context.Context) Proof {
	planned, machine, o, handsOver := s.Plan, s.Machine, s.Options, s.Purpose == ForAnswers
	return func(ctx context.Context) Proof {
		proof := Proof{Report: o.Prove(ctx, planned, report)}
		switch {
		case !handsOver:
		case o.Card != nil:
			proof.Card = o.Card(ctx, planned)
		default:
			proof.Card = plan.Handoff(ctx, machine, planned)
		}
		return proof
	}
}

// Proved records a run of the checks that was not cancelled.
func (s *Session) Proved(proof Proof) {
	s.Outcome.Report = proof.Report
	if s.Purpose != ForAnswers {
		return
	}
	s.Outcome.Stage, s.Outcome.Card = Proved, proof.Card
	// The plan knows only its own passwords; the session may have set others before.
	card := &s.Outcome.Card
	switch {
	case slices.ContainsFunc(s.Generated, func(p plan.Password) bool { return p.User == card.User }):
		card.Password = plan.PasswordShown
	case slices.Contains(s.Given, card.User):
		card.Password = plan.PasswordGiven
	}
}
