package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/cmd/packhouse/setupcmd"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// rollbackOptions are the flags of rollback.
type rollbackOptions struct {
	*cli.App
	dir    string
	yes    bool
	dryRun bool
}

// newRollback returns the command that restores the files from before the last setup.
func newRollback(a *cli.App) *cobra.Command {
	o := &rollbackOptions{App: a}
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Go back to the files before the last setup",
		Long: `Restore the files that the last change replaced: a change by setup, user or cert, or a rollback. Run it again
to undo the rollback. A running server reloads the files. Only the last change can be rolled back. Content of
the registry is not changed. With --dry-run, exit with 3 if there is a change to roll back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "ask nothing")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would change, and change nothing")
	return cmd
}

func (o *rollbackOptions) run(ctx context.Context) error {
	installed, lock, err := deployment.ToReview(ctx, o.App, o.dir, o.dryRun)
	if err != nil {
		return err
	}
	defer lock.Release()
	plan, err := plan.Rollback(ctx, installed)
	if err != nil {
		return err
	}
	setupcmd.ShowPlan(o.App, plan)
	if o.dryRun {
		if plan.Pending() {
			return cli.Silent(cli.ExitPending)
		}
		return nil
	}
	if !plan.Pending() {
		return nil
	}
	if !o.yes {
		lock.Release() // users may take long to answer; applying compares again
	}
	if err := o.Confirm(o.yes, fmt.Sprintf("go back to the files from before %s?", installed.Backup.Local().Format(time.DateTime))); err != nil {
		return err
	}
	if err := deployment.ApplyHeld(ctx, o.App, plan, lock); err != nil {
		return err
	}
	o.Say("rolled back; packhouse rollback again would undo that")
	return deployment.AfterChange(serveRolledBack(ctx, o.App, installed.Dir, plan))
}

// serveRolledBack makes the server use the files that a rollback restored in dir, if there is a
// configuration that a server accepts.
func serveRolledBack(ctx context.Context, a *cli.App, dir string, plan *plan.Plan) error {
	installed, err := installation.Load(dir)
	switch {
	case err != nil:
		return err
	case installed.ConfigData == nil:
		a.Hint(
			"%s is removed, as it was before: packhouse setup creates one, packhouse uninstall removes the rest",
			installation.ConfigFile,
		)
		return nil
	case installed.Refused():
		path := filepath.Join(installed.Dir, installation.ConfigFile)
		return cli.WithHint(
			fmt.Errorf("the server would refuse %s as it was before: %s", path, installed.Problem.Error()), "%s",
			cli.RepairHint(installed.Dir),
		)
	case installed.Config == nil:
		return installed.Problem
	}
	if fresh, err := deployment.Supervise(ctx, a, plan); err != nil || fresh {
		return err
	}
	_, err = deployment.Reload(ctx, a, plan)
	return deployment.NotLoaded(installed.Dir, err)
}
