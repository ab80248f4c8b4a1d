package main

import (
	"context"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup/check"
)

// checkTarget returns the target of "packhouse check": the installation in dir, or the
// configuration in args.
func checkTarget(ctx context.Context, a *cli.App, o checkOptions, args []string) (check.Target, error) {
	path, err := a.SomeConfig(o.dir, args)
	if err != nil {
		return check.Target{}, err
	}
	return deployment.TargetOf(ctx, a, deployment.Subject{Config: path, Quick: o.quick})
}
