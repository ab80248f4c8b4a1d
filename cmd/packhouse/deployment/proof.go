package deployment

import (
	"context"
	"errors"
	"io"
	"maps"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// Proof verifies the server of a new installation: one that was running and loaded the change, or
// one started for the proof.
type Proof struct {
	*cli.App
	Plan    *plan.Plan
	Started *Running // nil: one was running
	Fresh   bool     // just started by systemd
	Found   bool     // a server was running before

	Known map[string]setup.Secret // passwords of earlier plans, by user
}

// NewProof finds the running server of an applied plan and makes it load the change, or starts one
// that logs to w.
func NewProof(ctx context.Context, a *cli.App, plan *plan.Plan, w io.Writer) (*Proof, error) {
	p := &Proof{App: a, Plan: plan}
	var err error
	if p.Fresh, err = Supervise(ctx, a, plan); err != nil || p.Fresh {
		return p, err
	}
	p.Found, err = Reload(ctx, a, plan)
	if err != nil || p.Found {
		return p, err
	}
	p.Started, err = Start(ctx, a, configOf(plan), w)
	return p, err
}

// Check runs the checks of the installation.
func (p *Proof) Check(ctx context.Context, report func(check.Event)) check.Report {
	if p.Started != nil || p.Fresh {
		awaitOrders(ctx, p.App, configOf(p.Plan))
	}
	installed, err := installation.Load(p.Plan.Dir)
	if err != nil {
		installed = nil // the checks of files and configuration report the cause
	}
	passwords := p.Passwords()
	url := p.Plan.Resolved.Answers.URL()
	if p.Plan.Resolved.Answers.Dir == "" && installed != nil { // a rollback: its answers are those of the files
		url = URLOf(ctx, installed)
	}
	target := collectTarget(ctx, p.App, Subject{
		Config: configOf(p.Plan), Installed: installed, url: url, passwords: passwords, server: p.Started,
	})
	target.NoPacks = true // packs of users do not depend on the installation
	return check.Run(ctx, target, report)
}

// Passwords returns the known passwords by user: given or generated in this plan, or in an earlier
// one.
func (p *Proof) Passwords() map[string]setup.Secret {
	passwords := map[string]setup.Secret{}
	if p.Plan.Resolved.Answers.Dir == "" {
		return passwords // a rollback: later passwords are no longer valid
	}
	maps.Copy(passwords, p.Known)
	for _, u := range p.Plan.Resolved.Answers.Users {
		if u.Password != "" {
			passwords[u.Name] = u.Password
		}
	}
	for _, generated := range p.Plan.Passwords {
		passwords[generated.User] = generated.Password
	}
	return passwords
}

// Stop stops the server that was started, if any.
func (p *Proof) Stop(ctx context.Context) error {
	if p == nil || p.Started == nil {
		return nil
	}
	return p.Started.Shutdown(context.WithoutCancel(ctx))
}

// Wait keeps the started server running until ctx ends, and then drains it.
func (p *Proof) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-p.Started.Done():
	}
	err := p.Stop(ctx)
	<-p.Started.Done()
	return errors.Join(err, p.Started.err)
}
