package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/check"
	"packhouse/setup/plan"
)

// setupReport is the JSON of setup.
type setupReport struct {
	Findings []finding.Finding `json:"findings"`
	Plan     *plan.Plan        `json:"plan,omitempty"`
	Applied  bool              `json:"applied"`
	Checks   *check.Report     `json:"checks,omitempty"`
	Card     *plan.Card        `json:"card,omitempty"`

	RolledBack  bool          `json:"rolledBack,omitempty"`
	ChecksAfter *check.Report `json:"checksAfterRollback,omitempty"`
}

// unasked runs setup without questions: resolve, plan, apply, check.
func (s *setupRun) unasked(ctx context.Context) error {
	if !s.o.dryRun {
		lock, err := s.hold(ctx, s.o.dir)
		if err != nil {
			return s.refusedBy(setupReport{}, err, exitFailed)
		}
		defer lock.Release()
		s.lock = lock
	}
	if err := s.look(ctx); err != nil {
		return s.refusedBy(setupReport{}, err, exitUsage)
	}
	if s.installed.Recovered != "" {
		s.say("%s", s.installed.Recovered)
	}
	resolved, findings := answer.Resolve(ctx, s.machine, s.installed, s.input)
	report := setupReport{Findings: append([]finding.Finding{}, findings...)}
	s.sayFindings(finding.BySeverity(findings))
	if finding.AnyRefused(findings) {
		if s.installed.Refused() {
			s.hint("%s", repairHint(s.o.dir))
		}
		return s.finish(report, silent(exitUsage))
	}
	planned, err := plan.Make(ctx, s.machine, s.installed, resolved, plan.Options{
		Now: s.now(), WritePasswords: true, HashCost: s.hashCost,
	})
	if err != nil {
		return s.refusedBy(report, err, exitUsage)
	}
	report.Plan = planned
	s.sayFindings(planned.Findings)
	if s.o.dryRun {
		if !s.o.json {
			s.showPlan(planned)
		}
		if planned.Pending() {
			return s.finish(report, silent(exitPending))
		}
		return s.finish(report, nil)
	}
	if planned.Pending() {
		s.before = noteBefore(s.installed, planned)
		applied, err := applyPlan(ctx, planned, s.lock, nil)
		report.Applied, s.applied = applied != nil, applied
		s.lock.Release() // the rollback acquires it again
		switch {
		case err != nil && report.Applied:
			return s.undo(ctx, &report, planned, false, err)
		case err != nil:
			return s.refusedBy(report, err, exitFailed)
		}
		for _, path := range applied.Changed {
			s.say("wrote %s", path)
		}
	} else {
		s.say("nothing to change in %s", planned.Dir)
	}
	s.lock.Release() // the server may run for long
	card := plan.Handoff(ctx, s.machine, planned)
	report.Card = &card
	if s.o.noStart && card.Service != "" {
		s.hint("systemctl enable --now %s starts the server", card.Service)
	}
	if s.o.noStart {
		return s.finish(report, s.moveKey(ctx, &report, planned.Dir))
	}
	return s.prove(ctx, planned, &report)
}

// refusedBy ends setup with the findings in err, as text or JSON; any other error becomes one
// finding in the JSON.
func (s *setupRun) refusedBy(report setupReport, err error, code int) error {
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok {
		report.Findings = append(
			report.Findings,
			finding.Finding{
				Severity: finding.Refused, Code: setup.CodeFailed, What: err.Error(), Remedy: remedyOf(err),
			},
		)
		return s.finish(report, err)
	}
	s.sayFindings(refusal.Findings)
	report.Findings = append(report.Findings, refusal.Findings...)
	return s.finish(report, silent(code))
}

// prove starts or finds the server, checks it, and keeps it running with --serve.
func (s *setupRun) prove(ctx context.Context, plan *plan.Plan, report *setupReport) error {
	log := &trialLog{to: s.stderr}
	proof, err := s.newProof(ctx, plan, log)
	if err != nil {
		log.release()
		served := proof.fresh || proof.found
		return s.undo(ctx, report, plan, served, errors.Join(err, proof.stop(ctx)))
	}
	result := proof.check(ctx, s.checkPrinter())
	report.Checks = &result
	if result.NeedsAttention() {
		err = silent(exitFindings)
	}
	if result.Worst() == check.Failed {
		log.release()
		switch {
		case s.o.rollback:
			return s.undo(ctx, report, plan, true, errors.Join(errors.New("a check failed"), proof.stop(ctx)))
		case !s.o.serve:
			return s.finish(*report, errors.Join(proof.stop(ctx), err))
		}
	} else if moved := s.moveKey(ctx, report, plan.Dir); moved != nil {
		log.release()
		return s.finish(*report, errors.Join(moved, proof.stop(ctx)))
	}
	if !s.o.json {
		s.showCard(*report.Card)
	}
	if printed := s.finish(*report, nil); printed != nil || !s.o.serve || proof.started == nil {
		return errors.Join(err, printed, proof.stop(ctx))
	}
	log.release()
	return errors.Join(err, proof.wait(ctx))
}

// moveKey moves the CA's key for --move-ca-key. It is called when the files of a setup are final: a
// rollback does not restore the key.
func (s *setupRun) moveKey(ctx context.Context, report *setupReport, dir string) error {
	err := s.moveCAKey(ctx, dir)
	switch {
	case err == nil && s.o.moveCAKey != "":
		report.Card.MoveCAKey = nil
	case report.Applied:
		return afterChange(err)
	}
	return err
}

// checkPrinter returns a function that prints each finished check to standard error, or nil with
// --json.
func (s *setupRun) checkPrinter() func(check.Event) {
	if s.o.json {
		return nil
	}
	return func(e check.Event) { printCheck(s.stderr, e) }
}

// finish prints the JSON report with --json.
func (s *setupRun) finish(report setupReport, err error) error {
	if !s.o.json {
		return err
	}
	report.Findings = s.pasteableFindings(report.Findings)
	return errors.Join(err, s.printJSON(report))
}

// sayFindings prints all findings about the answers together.
func (a *app) sayFindings(findings []finding.Finding) {
	for _, f := range findings {
		switch f.Severity {
		case finding.Refused:
			a.say("error: %s", f)
		case finding.Warning:
			a.warn("%s", f)
		case finding.Note:
			a.say("note: %s", f)
		}
	}
}

// showPlan prints the plan for review.
func (a *app) showPlan(plan *plan.Plan) {
	for _, c := range plan.Ordered() {
		fmt.Fprintf(a.stdout, "%-7s %s\n", c.Kind, c.Path)
		for _, meaning := range c.Meaning {
			fmt.Fprintf(a.stdout, "        %s\n", meaning)
		}
		if diff := plan.Diff(c.Path); diff != "" && c.Kind == setup.Update {
			fmt.Fprintf(a.stdout, "%s\n", strings.TrimRight(diff, "\n"))
		}
	}
	if !plan.Pending() {
		fmt.Fprintln(a.stdout, "nothing to change")
	}
}

// showCard prints how to use the registry.
func (s *setupRun) showCard(card plan.Card) {
	fmt.Fprintf(s.stdout, "\nregistry     %s\n", card.URL)
	fmt.Fprintf(s.stdout, "user         %s, password %s\n", card.User, card.Password)
	if card.CAFile != "" {
		fmt.Fprintf(s.stdout, "certificate  %s is what clients must trust\n", card.CAFile)
		fmt.Fprintf(s.stdout, "             SHA-256 %s\n", card.TrustPrint)
	}
	if card.Fingerprint != "" && card.Fingerprint != card.TrustPrint {
		fmt.Fprintf(s.stdout, "the server's SHA-256 %s\n", card.Fingerprint)
	}
	fmt.Fprintf(s.stdout, "hand out     %s\n\n", card.Handoff)
	if c := card.MoveCAKey; c != nil {
		fmt.Fprintf(s.stdout, "# %s\n%s\n", c.Title, c.Line)
	}
	for _, c := range card.Commands {
		fmt.Fprintf(s.stdout, "# %s\n%s\n", c.Title, c.Line)
	}
	if card.Service != "" {
		fmt.Fprintf(s.stdout, "\n# the service\nsystemctl status %s\n", card.Service)
		return
	}
	fmt.Fprintf(s.stdout, "\n# serve\n%s\n", s.command("serve", card.Config))
}
