package deployment

import (
	"context"
	"fmt"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// ToReview loads an installation for a command that shows its changes first. Unless dryRun is true,
// the installation is locked.
func ToReview(ctx context.Context, a *cli.App, dir string, dryRun bool) (*installation.Installed, *apply.Lock, error) {
	if dryRun {
		installed, err := a.LoadInstallation(dir)
		return installed, nil, err
	}
	lock, err := a.Hold(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	installed, err := a.OpenInstallation(lock)
	if err != nil {
		lock.Release()
	}
	return installed, lock, err
}

// ApplyHeld applies a plan under lock, or under one that it acquires if lock was released, and
// releases it.
func ApplyHeld(ctx context.Context, a *cli.App, plan *plan.Plan, lock *apply.Lock) error {
	defer lock.Release()
	if !lock.Held() {
		again, err := a.Hold(ctx, plan.Dir)
		if err != nil {
			return err
		}
		defer again.Release()
		lock = again
	}
	_, err := ApplyPlan(ctx, plan, lock, nil)
	return err
}

// RollBackAfter restores the files from before a failed setup, reloads the server, and checks them
// again. It returns the report of these checks, or nil if there was no installation before. rolled
// reports whether the files were restored, even if an error follows. It refuses if another command
// has changed the installation since.
func RollBackAfter(
	ctx context.Context, a *cli.App, dir string, applied *apply.Applied, log *cli.TrialLog, say func(check.Event),
) (again *check.Report, rolled bool, err error) {
	installed, lock, err := ToReview(ctx, a, dir, false)
	if err != nil {
		return nil, false, err
	}
	defer lock.Release()
	if err := apply.VerifyLast(installed, applied); err != nil {
		return nil, false, err
	}
	plan, err := plan.Rollback(ctx, installed)
	if err != nil {
		return nil, false, err
	}
	if err := ApplyHeld(ctx, a, plan, lock); err != nil {
		return nil, false, err
	}
	a.Say("rolled back to the files before")
	if err := handOverFiles(a, configOf(plan), applied.At); err != nil { // the store may have its previous owner again
		return nil, true, err
	}
	if installed, err = installation.Load(dir); err != nil {
		return nil, true, err
	}
	if installed.ConfigData == nil {
		return nil, true, nil
	}
	proof, err := NewProof(ctx, a, plan, log)
	if err != nil {
		return nil, true, fmt.Errorf("prove what was rolled back to: %w", err)
	}
	report := proof.Check(ctx, say)
	return &report, true, proof.Stop(ctx)
}
