package main

import (
	"context"
	"errors"
	"io"
	"maps"

	"packhouse/setup"
	"packhouse/setup/check"
)

// proof is the server of an installation that was just written: one that runs already and took the change, or one that was started for it.
type proof struct {
	*app
	plan    *setup.Plan
	started *running // nil: one runs already
	fresh   bool     // systemd has started it just now
	found   bool     // a server ran before

	known map[string]setup.Secret // passwords of plans before this one, by user
}

// newProof finds the running server of a plan that was applied and has it take the change, or starts one that logs to w.
func (a *app) newProof(ctx context.Context, plan *setup.Plan, w io.Writer) (*proof, error) {
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

// check proves the installation.
func (p *proof) check(ctx context.Context, report func(check.Event)) check.Report {
	if p.started != nil || p.fresh {
		p.awaitOrders(ctx, configOf(p.plan))
	}
	installed, err := setup.Load(p.plan.Dir)
	if err != nil {
		installed = nil // the checks of files and configuration report why
	}
	passwords := p.passwords()
	url := p.plan.Resolved.Answers.URL()
	if p.plan.Resolved.Answers.Dir == "" && installed != nil { // of a rollback: its answers are those of the files
		resolved, _ := setup.Resolve(ctx, setup.Detect(ctx, setup.ThisMachine()), installed, setup.Input{Quick: true})
		url = resolved.Answers.URL()
	}
	return check.Run(ctx, p.target(ctx, subject{
		config: configOf(p.plan), installed: installed, url: url, passwords: passwords, server: p.started,
	}), report)
}

// passwords are those that are known, by user: given or generated in the plan, or in one before it.
func (p *proof) passwords() map[string]setup.Secret {
	passwords := map[string]setup.Secret{}
	if p.plan.Resolved.Answers.Dir == "" {
		return passwords // of a rollback: what was set since counts no more
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

// stop ends a server that was started.
func (p *proof) stop(ctx context.Context) error {
	if p == nil || p.started == nil {
		return nil
	}
	return p.started.Shutdown(context.WithoutCancel(ctx))
}

// wait leaves a server that was started running until ctx ends, and then lets it drain.
func (p *proof) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-p.started.Done():
	}
	err := p.stop(ctx)
	<-p.started.Done()
	return errors.Join(err, p.started.err)
}
