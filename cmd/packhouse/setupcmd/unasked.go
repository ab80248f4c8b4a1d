package setupcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"packhouse/cmd/packhouse/certcmd"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
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
func (s *Run) unasked(ctx context.Context) error {
	if !s.o.dryRun {
		lock, err := s.Hold(ctx, s.o.dir)
		if err != nil {
			return s.refusedBy(setupReport{}, err, cli.ExitFailed)
		}
		defer lock.Release()
		s.lock = lock
	}
	if err := s.look(ctx); err != nil {
		return s.refusedBy(setupReport{}, err, cli.ExitUsage)
	}
	if s.installed.Recovered != "" {
		s.Say("%s", s.installed.Recovered)
	}
	resolved, findings := answer.Resolve(ctx, s.machine, s.installed, s.input)
	report := setupReport{Findings: append([]finding.Finding{}, findings...)}
	s.SayFindings(finding.BySeverity(findings))
	if finding.AnyRefused(findings) {
		if s.installed.Refused() {
			s.Hint("%s", cli.RepairHint(s.o.dir))
		}
		return s.finish(report, cli.Silent(cli.ExitUsage))
	}
	planned, err := plan.Make(ctx, s.machine, s.installed, resolved, plan.Options{
		Now: s.Now(), WritePasswords: true, HashCost: s.HashCost,
	})
	if err != nil {
		return s.refusedBy(report, err, cli.ExitUsage)
	}
	report.Plan = planned
	s.SayFindings(planned.Findings)
	if s.o.dryRun {
		if !s.o.json {
			ShowPlan(s.App, planned)
		}
		if planned.Pending() {
			return s.finish(report, cli.Silent(cli.ExitPending))
		}
		return s.finish(report, nil)
	}
	if planned.Pending() {
		s.before = noteBefore(s.installed, planned)
		applied, err := deployment.ApplyPlan(ctx, planned, s.lock, nil)
		report.Applied, s.applied = applied != nil, applied
		s.lock.Release() // the rollback acquires it again
		switch {
		case err != nil && report.Applied:
			return s.undo(ctx, &report, planned, false, err)
		case err != nil:
			return s.refusedBy(report, err, cli.ExitFailed)
		}
		for _, path := range applied.Changed {
			s.Say("wrote %s", path)
		}
	} else {
		s.Say("nothing to change in %s", planned.Dir)
	}
	s.lock.Release() // the server may run for long
	card := plan.Handoff(ctx, s.machine, planned)
	report.Card = &card
	if s.o.noStart && card.Service != "" {
		s.Hint("systemctl enable --now %s starts the server", card.Service)
	}
	if s.o.noStart {
		return s.finish(report, s.moveKey(ctx, &report, planned.Dir))
	}
	return s.prove(ctx, planned, &report)
}

// refusedBy ends setup with the findings in err, as text or JSON; any other error becomes one
// finding in the JSON.
func (s *Run) refusedBy(report setupReport, err error, code int) error {
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok {
		report.Findings = append(report.Findings, setup.Refuse(setup.CodeFailed, err.Error(), cli.RemedyOf(err)))
		return s.finish(report, err)
	}
	s.SayFindings(refusal.Findings)
	report.Findings = append(report.Findings, refusal.Findings...)
	return s.finish(report, cli.Silent(code))
}

// prove starts or finds the server, checks it, and keeps it running with --serve.
func (s *Run) prove(ctx context.Context, plan *plan.Plan, report *setupReport) error {
	log := &cli.TrialLog{To: s.Stderr}
	proof, err := deployment.NewProof(ctx, s.App, plan, log)
	if err != nil {
		log.Release()
		served := proof.Fresh || proof.Found
		return s.undo(ctx, report, plan, served, errors.Join(err, proof.Stop(ctx)))
	}
	result := proof.Check(ctx, s.checkPrinter())
	report.Checks = &result
	if result.NeedsAttention() {
		err = cli.Silent(cli.ExitFindings)
	}
	if result.Worst() == check.Failed {
		log.Release()
		switch {
		case s.o.rollback:
			return s.undo(ctx, report, plan, true, errors.Join(errors.New("a check failed"), proof.Stop(ctx)))
		case !s.o.serve:
			return s.finish(*report, errors.Join(proof.Stop(ctx), err))
		}
	} else if moved := s.moveKey(ctx, report, plan.Dir); moved != nil {
		log.Release()
		return s.finish(*report, errors.Join(moved, proof.Stop(ctx)))
	}
	if !s.o.json {
		s.showCard(*report.Card)
	}
	if printed := s.finish(*report, nil); printed != nil || !s.o.serve || proof.Started == nil {
		return errors.Join(err, printed, proof.Stop(ctx))
	}
	log.Release()
	return errors.Join(err, proof.Wait(ctx))
}

// moveKey moves the CA's key for --move-ca-key. It is called when the files of a setup are final: a
// rollback does not restore the key.
func (s *Run) moveKey(ctx context.Context, report *setupReport, dir string) error {
	err := certcmd.MoveCAKey(ctx, s.App, dir, s.o.moveCAKey)
	switch {
	case err == nil && s.o.moveCAKey != "":
		report.Card.MoveCAKey = nil
	case report.Applied:
		return deployment.AfterChange(err)
	}
	return err
}

// checkPrinter returns a function that prints each finished check to standard error, or nil with
// --json.
func (s *Run) checkPrinter() func(check.Event) {
	if s.o.json {
		return nil
	}
	return func(e check.Event) { deployment.PrintCheck(s.Stderr, e) }
}

// finish prints the JSON report with --json.
func (s *Run) finish(report setupReport, err error) error {
	if !s.o.json {
		return err
	}
	report.Findings = cli.PasteableFindings(s.App, report.Findings)
	return errors.Join(err, s.PrintJSON(report))
}

// ShowPlan prints the plan for review.
func ShowPlan(a *cli.App, plan *plan.Plan) {
	for _, c := range plan.Ordered() {
		fmt.Fprintf(a.Stdout, "%-7s %s\n", c.Kind, c.Path)
		for _, meaning := range c.Meaning {
			fmt.Fprintf(a.Stdout, "        %s\n", meaning)
		}
		if diff := plan.Diff(c.Path); diff != "" && c.Kind == setup.Update {
			fmt.Fprintf(a.Stdout, "%s\n", strings.TrimRight(diff, "\n"))
		}
	}
	if !plan.Pending() {
		fmt.Fprintln(a.Stdout, "nothing to change")
	}
}

// showCard prints how to use the registry.
func (s *Run) showCard(card plan.Card) {
	fmt.Fprintf(s.Stdout, "\nregistry     %s\n", card.URL)
	fmt.Fprintf(s.Stdout, "user         %s, password %s\n", card.User, card.Password)
	if card.CAFile != "" {
		fmt.Fprintf(s.Stdout, "certificate  %s is what clients must trust\n", card.CAFile)
		fmt.Fprintf(s.Stdout, "             SHA-256 %s\n", card.TrustPrint)
	}
	if card.Fingerprint != "" && card.Fingerprint != card.TrustPrint {
		fmt.Fprintf(s.Stdout, "the server's SHA-256 %s\n", card.Fingerprint)
	}
	fmt.Fprintf(s.Stdout, "hand out     %s\n\n", card.Handoff)
	if c := card.MoveCAKey; c != nil {
		fmt.Fprintf(s.Stdout, "# %s\n%s\n", c.Title, c.Line)
	}
	for _, c := range card.Commands {
		fmt.Fprintf(s.Stdout, "# %s\n%s\n", c.Title, c.Line)
	}
	if card.Service != "" {
		fmt.Fprintf(s.Stdout, "\n# the service\nsystemctl status %s\n", card.Service)
		return
	}
	fmt.Fprintf(s.Stdout, "\n# serve\n%s\n", s.Command("serve", card.Config))
}
