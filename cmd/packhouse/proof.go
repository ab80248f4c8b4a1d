package main

import (
	"context"
	"errors"
	"io"
	"maps"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
)

// proof verifies the server of a new installation: one that was running and loaded the change, or
// one started for the proof.
type proof struct {
	*app
	plan    *plan.Plan
	started *running // nil: one was running
	fresh   bool     // just started by systemd
	found   bool     // a server was running before

	known map[string]setup.Secret // passwords of earlier plans, by user
}

// newProof finds the running server of an applied plan and makes it load the change, or starts one
// that logs to w.
func (a *app) newProof(ctx context.Context, plan *plan.Plan, w io.Writer) (*proof, error) {
	p := &proof{app: a, plan: plan}
	var err error
	if p.fresh, err = a.supervise(ctx, plan); err != nil || p.fresh {
		return p, err
	}
	p.found, err = a.reload(ctx, plan)
	if err != nil || p.found {
		return p, err
	}
	p.started, err = a.start(ctx, configOf(plan), w)
	return p, err
}

// check runs the checks of the installation.
func (p *proof) check(ctx context.Context, report func(check.Event)) check.Report {
	if p.started != nil || p.fresh {
		p.awaitOrders(ctx, configOf(p.plan))
	}
	installed, err := installation.Load(p.plan.Dir)
	if err != nil {
		installed = nil // the checks of files and configuration report the cause
	}
	passwords := p.passwords()
	url := p.plan.Resolved.Answers.URL()
	if p.plan.Resolved.Answers.Dir == "" && installed != nil { // a rollback: its answers are those of the files
		resolved, _ := answer.Resolve(
			ctx, machine.Detect(ctx, machine.ThisMachine()), installed, answer.Input{Quick: true},
		)
		url = resolved.Answers.URL()
	}
	target := p.target(ctx, subject{
		config: configOf(p.plan), installed: installed, url: url, passwords: passwords, server: p.started,
	})
	target.NoPacks = true // packs of users do not depend on the installation
	return check.Run(ctx, target, report)
}

// passwords returns the known passwords by user: given or generated in this plan, or in an earlier
// one.
func (p *proof) passwords() map[string]setup.Secret {
	passwords := map[string]setup.Secret{}
	if p.plan.Resolved.Answers.Dir == "" {
		return passwords // a rollback: later passwords are no longer valid
	}
	maps.Copy(passwords, p.known)
	for _, u := range p.plan.Resolved.Answers.Users {
		if u.Password != "" {
			passwords[u.Name] = u.Password
		}
	}
	for _, generated := range p.plan.Passwords {
		passwords[generated.User] = generated.Password
	}
	return passwords
}

// stop stops the server that was started, if any.
func (p *proof) stop(ctx context.Context) error {
	if p == nil || p.started == nil {
		return nil
	}
	return p.started.Shutdown(context.WithoutCancel(ctx))
}

// wait keeps the started server running until ctx ends, and then drains it.
func (p *proof) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-p.started.Done():
	}
	err := p.stop(ctx)
	<-p.started.Done()
	return errors.Join(err, p.started.err)
}
