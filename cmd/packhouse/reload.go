package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
)

// newReload returns the command that makes the running server load the configuration on disk.
func newReload(a *cli.App) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "reload [CONFIG]",
		Short: "Make the running server load the configuration on disk",
		Long: `Make the running server read its configuration again, verify it and apply it without dropping a
connection, as with SIGHUP. CONFIG only selects the server, which reads the file and the variables that
it was started with.

The exit code is 0 if the configuration is applied, 1 if the server refuses it and keeps its
configuration or no server runs, and 4 if it is applied except for the printed keys, which need a restart.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runReload(cmd.Context(), a, a.FindConfig(dir, args))
		},
	}
	a.AddDir(cmd, &dir)
	return cmd
}

func runReload(ctx context.Context, a *cli.App, found config.Found) error {
	if err := cli.Trusted(found.Path); err != nil {
		return err
	}
	client, err := deployment.FindRunning(ctx, a, found.Path)
	if errors.Is(err, fs.ErrPermission) {
		return cli.WithHint(
			fmt.Errorf("query the running server: %w", err), "%s", deployment.AsRoot("reload", found.Path),
		)
	}
	if errors.Is(err, admin.ErrNotRunning) {
		return cli.WithHint(
			fmt.Errorf("no server runs on %s", cli.NameOf(found)), "%s; --dir DIR selects another installation",
			deployment.StartHint(found.Path),
		)
	}
	if errors.Is(err, admin.ErrUntrusted) {
		return cli.WithHint(fmt.Errorf("query the running server: %w", err), "%s",
			deployment.UntrustedRemedy(err, deployment.Command("reload", found.Path)))
	}
	if err != nil {
		return fmt.Errorf("query the running server: %w", err)
	}
	defer client.Close()
	result, err := client.Reload(ctx)
	if err != nil {
		return err
	}
	if result.Error != "" {
		for line := range strings.Lines(result.Error) {
			a.Say("error: %s", strings.TrimSpace(line))
		}
		a.Say("the running server keeps the configuration it has")
		a.Hint("packhouse config verify %s", setup.Shell(found.Path))
		return cli.Silent(cli.ExitFailed)
	}
	if len(result.NeedsRestart) == 0 {
		a.Say("the running server has loaded the configuration")
		return nil
	}
	a.Say("the running server has loaded the configuration, except these keys, which need a restart:")
	for _, key := range result.NeedsRestart {
		fmt.Fprintln(a.Stdout, key)
	}
	a.Hint("%s", deployment.ServerOf(found.Path, 0).Restart())
	return cli.Silent(cli.ExitFindings)
}
