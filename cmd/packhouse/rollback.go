package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// rollbackOptions are the flags of rollback.
type rollbackOptions struct {
	dir    string
	yes    bool
	dryRun bool
}

// newRollback returns the command that restores the files from before the last setup.
func newRollback(a *app) *cobra.Command {
	var o rollbackOptions
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Go back to the files before the last setup",
		Long: `Restore the files that the last change replaced: a change by setup, user or cert, or a rollback. Run it again
to undo the rollback. A running server reloads the files. Only the last change can be rolled back. Content of
the registry is not changed. With --dry-run, exit with 3 if there is a change to roll back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rollback(cmd.Context(), o) },
	}
	a.addDir(cmd, &o.dir)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "ask nothing")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would change, and change nothing")
	return cmd
}

func (a *app) rollback(ctx context.Context, o rollbackOptions) error {
	installed, lock, err := a.toReview(ctx, o.dir, o.dryRun)
	if err != nil {
		return err
	}
	defer lock.Release()
	plan, err := plan.Rollback(ctx, installed)
	if err != nil {
		return err
	}
	a.showPlan(plan)
	if o.dryRun {
		if plan.Pending() {
			return silent(exitPending)
		}
		return nil
	}
	if !plan.Pending() {
		return nil
	}
	if !o.yes {
		lock.Release() // users may take long to answer; applying compares again
	}
	if err := a.confirm(o.yes, fmt.Sprintf("go back to the files from before %s?", installed.Backup.Local().Format(time.DateTime))); err != nil {
		return err
	}
	if err := a.applyHeld(ctx, plan, lock); err != nil {
		return err
	}
	a.say("rolled back; packhouse rollback again would undo that")
	return afterChange(a.serveRolledBack(ctx, installed.Dir, plan))
}

// serveRolledBack makes the server use the files that a rollback restored in dir, if there is a
// configuration that a server accepts.
func (a *app) serveRolledBack(ctx context.Context, dir string, plan *plan.Plan) error {
	installed, err := installation.Load(dir)
	switch {
	case err != nil:
		return err
	case installed.ConfigData == nil:
		a.hint(
			"%s is removed, as it was before: packhouse setup creates one, packhouse uninstall removes the rest",
			installation.ConfigFile,
		)
		return nil
	case installed.Refused():
		path := filepath.Join(installed.Dir, installation.ConfigFile)
		return withHint(
			fmt.Errorf("the server would refuse %s as it was before: %s", path, installed.Problem.Error()), "%s",
			repairHint(installed.Dir),
		)
	case installed.Config == nil:
		return installed.Problem
	}
	if fresh, err := a.supervise(ctx, plan); err != nil || fresh {
		return err
	}
	_, err = a.reload(ctx, plan)
	return notLoaded(installed.Dir, err)
}

// toReview loads an installation for a command that shows its changes first. Unless dryRun is true,
// the installation is locked.
func (a *app) toReview(ctx context.Context, dir string, dryRun bool) (*installation.Installed, *apply.Lock, error) {
	if dryRun {
		installed, err := a.loadInstallation(dir)
		return installed, nil, err
	}
	lock, err := a.hold(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	installed, err := a.openInstallation(lock)
	if err != nil {
		lock.Release()
	}
	return installed, lock, err
}

// applyHeld applies a plan under lock, or under one that it acquires if lock was released, and
// releases it.
func (a *app) applyHeld(ctx context.Context, plan *plan.Plan, lock *apply.Lock) error {
	defer lock.Release()
	if !lock.Held() {
		again, err := a.hold(ctx, plan.Dir)
		if err != nil {
			return err
		}
		defer again.Release()
		lock = again
	}
	_, err := applyPlan(ctx, plan, lock, nil)
	return err
}

// confirm asks a question that only "y" or "yes" answers with yes. Without a terminal, --yes is
// required.
func (a *app) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.interactive() {
		return usageError(
			withHint(
				errors.New("there is no terminal for questions"),
				"--yes asks nothing, --dry-run shows what would happen",
			),
		)
	}
	if !a.asks(question) {
		return exitWith(exitFailed, errors.New("nothing was changed"))
	}
	return nil
}

// asks asks a question on the terminal and reports whether the answer is yes.
func (a *app) asks(question string) bool {
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	return readYes(a.stdin)
}

// rollBackAfter restores the files from before a failed setup, reloads the server, and checks them
// again. It returns the report of these checks, or nil if there was no installation before. rolled
// reports whether the files were restored, even if an error follows. It refuses if another command
// has changed the installation since.
func (a *app) rollBackAfter(
	ctx context.Context, dir string, applied *apply.Applied, log *trialLog, say func(check.Event),
) (again *check.Report, rolled bool, err error) {
	installed, lock, err := a.toReview(ctx, dir, false)
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
	if err := a.applyHeld(ctx, plan, lock); err != nil {
		return nil, false, err
	}
	a.say("rolled back to the files before")
	if err := a.handOver(configOf(plan), applied.At); err != nil { // the store may have its previous owner again
		return nil, true, err
	}
	if installed, err = installation.Load(dir); err != nil {
		return nil, true, err
	}
	if installed.ConfigData == nil {
		return nil, true, nil
	}
	proof, err := a.newProof(ctx, plan, log)
	if err != nil {
		return nil, true, fmt.Errorf("prove what was rolled back to: %w", err)
	}
	report := proof.check(ctx, say)
	return &report, true, proof.stop(ctx)
}
