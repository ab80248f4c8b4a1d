package main

import (
	"context"
	"io"

	"packhouse/setup"
	"packhouse/setup/check"
)

// proof is a server to be proven: one that runs already, or one that was started for it.
type proof struct {
	target check.Target
	server setup.Running // that was started; nil: one runs already
}

// run checks it.
func (p *proof) run(ctx context.Context, report func(check.Event)) check.Report {
	return check.Run(ctx, p.target, report)
}

// stop ends a server that was started.
func (p *proof) stop(ctx context.Context) error {
	if p.server == nil {
		return nil
	}
	return p.server.Shutdown(context.WithoutCancel(ctx))
}

// wait leaves a server that was started running until ctx ends, and then lets it drain.
func (p *proof) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return p.stop(ctx)
	case <-p.server.Done():
		return p.stop(ctx)
	}
}

// newProof finds or starts the server of a plan that was applied.
func (s *setupRun) newProof(ctx context.Context, plan *setup.Plan, log io.Writer) (*proof, error) {
	return nil, nil
}
