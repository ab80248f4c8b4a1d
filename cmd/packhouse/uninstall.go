package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/cmd/packhouse/setupcmd"
	"packhouse/finding"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// uninstallOptions are the flags of uninstall.
type uninstallOptions struct {
	*cli.App
	dir    string
	data   bool
	keepCA bool
	yes    bool
	dryRun bool
}

// newUninstall returns the command that removes an installation.
func newUninstall(a *cli.App) *cobra.Command {
	o := &uninstallOptions{App: a}
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Remove the files that setup wrote and that are unchanged since",
		Long: `uninstall removes the files that setup wrote and that are unchanged since, their backups, and the directories
that are then empty. It lists what it keeps. --data also removes packs and images. uninstall never removes the
content of a bucket, content that is older than the installation or belongs to another one, or certificates from an
ACME directory with their private keys. Stop the server first. With --dry-run, uninstall exits with 3 if there is
something to remove.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.data, "data", false, "also remove packs and images, which cannot be undone")
	cmd.Flags().
		BoolVar(&o.keepCA, "keep-ca-key", false, "keep the private CA's key and certificate, so that clients trust a later installation in DIR")
	cmd.Flags().
		BoolVarP(&o.yes, "yes", "y", false, "ask no questions; without --keep-ca-key the private CA's key is removed")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "say what would go, and remove nothing")
	return cmd
}

func (o *uninstallOptions) run(ctx context.Context) error {
	installed, lock, err := deployment.ToReview(ctx, o.App, o.dir, o.dryRun)
	if err != nil {
		return err
	}
	defer lock.Release()
	if !installed.Exists() && installed.Backup.IsZero() {
		return cli.WithHint(fmt.Errorf("no installation in %s", installed.Dir), "--dir names another directory")
	}
	if !installed.Supervised() { // systemd stops its own
		if err := stopped(ctx, installed); err != nil {
			return err
		}
	}
	planned := &plan.Plan{Dir: installed.Dir}
	if installed.Exists() {
		if planned, err = plan.Uninstall(ctx, installed); err != nil {
			return err
		}
	}
	trees, remainders := installation.StoreTrees(installed.Config), plan.Remainders(installed.Config)
	if o.data && installed.Config != nil && installed.Config.Storage.Driver == config.S3 {
		return cli.UsageError(
			cli.WithHint(
				fmt.Errorf(
					"the packs and images are in the bucket %s, which --data does not empty: other servers may use it",
					installed.Config.Storage.S3.Bucket,
				),
				"omit --data, and empty the bucket with the tools of the S3 service",
			),
		)
	}
	if o.keepCA {
		planned.KeepCA()
	}
	if o.data {
		if err := plan.KeepsStore(installed); err != nil {
			return keptStore(err)
		}
		if err := plan.VerifyStoreRemoval(installed); err != nil {
			return err
		}
	}
	setupcmd.ShowPlan(o.App, planned)
	for _, tree := range trees {
		if o.data {
			fmt.Fprintf(o.Stdout, "%-7s %s\n        packs and images\n", setup.Remove, tree)
		} else {
			fmt.Fprintf(o.Stdout, "%-7s %s\n        packs and images; --data removes them\n", setup.Keep, tree)
		}
	}
	for _, r := range remainders {
		fmt.Fprintf(o.Stdout, "%-7s %s\n        %s; %s\n", setup.Keep, r.Where, r.What, r.Remedy)
	}
	if o.dryRun {
		return cli.Silent(cli.ExitPending)
	}
	question := "remove this installation?"
	if o.data && len(trees) > 0 {
		question = "remove this installation and everything that is stored in it?"
	}
	if !o.yes {
		lock.Release() // users may take long to answer; applying compares again
	}
	if err := o.Confirm(o.yes, question); err != nil {
		return err
	}
	if !o.yes && !o.keepCA && plan.HasCAKey(installed) && o.Asks(installation.KeepCAKeyQuestion) {
		planned.KeepCA()
	}
	if !lock.Held() {
		if lock, err = o.Hold(ctx, installed.Dir); err != nil {
			return err
		}
		defer lock.Release()
	}
	if _, err := deployment.ApplyPlan(ctx, planned, lock, nil); err != nil {
		return err
	}
	if o.data {
		if err := plan.RemoveStore(installed); err != nil {
			return deployment.AfterChange(err)
		}
		trees = nil
	}
	left, err := apply.Forget(installed.Dir, lock)
	if err != nil {
		return deployment.AfterChange(err)
	}
	o.Say("uninstalled")
	for _, path := range append(left, trees...) {
		if !slices.ContainsFunc(remainders, func(r plan.Remainder) bool { return r.Where == path }) {
			o.Say("stays: %s", path)
		}
	}
	for _, r := range remainders {
		o.Say("stays: %s: %s", r.Where, r.What)
	}
	return nil
}

// keptStore explains why --data does not remove a store.
func keptStore(err error) error {
	if refusal, ok := errors.AsType[*finding.Error](err); ok && len(refusal.Findings) == 1 {
		f := refusal.Findings[0]
		return cli.UsageError(cli.WithHint(fmt.Errorf("remove content: %s", f.What), "%s", f.Remedy))
	}
	return err
}

// stopped returns an error while a server of the installation is running, because it would continue
// without its files.
func stopped(ctx context.Context, installed *installation.Installed) error {
	if installed.Config == nil {
		return nil
	}
	client, err := deployment.FindServer(installed.Config, installed.Dir)
	switch {
	case errors.Is(err, admin.ErrNotRunning):
		return nil
	case err != nil:
		return fmt.Errorf("query the running server: %w", err)
	}
	defer client.Close()
	status, err := client.Status(ctx)
	if err != nil {
		return fmt.Errorf("query the running server: %w", err)
	}
	return cli.WithHint(
		fmt.Errorf("a server runs on this installation (pid %d)", status.PID),
		"%s", deployment.ServerOf(installed.Path(installation.ConfigFile), status.PID).Stop(status.PID),
	)
}
