package main

import (
	"context"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server"
	"packhouse/server/config"
)

type serveOptions struct {
	dir string
}

// newServe returns the command that runs the server in the foreground. It replaces "registry serve
// /etc/…/myconfig.yml".
func newServe(a *cli.App) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [CONFIG]",
		Short: "Run the server",
		// Names in other registries; the second is a misspelling in the vendor's documentation.
		SuggestFor: []string{"registry", "registy", "start", "run"},
		Long: `Run the server. The first configuration found applies:

  1. CONFIG
  2. myconfig.yml in the directory given with --dir
  3. the file that $REGISTRY_CONFIGURATION_PATH names
  4. the configuration of the installation in its default directory
  5. a configuration at a default path of other registries' images
  6. the built-in default

The first line of the log names it; a warning lists existing files that are ignored. REGISTRY_* variables
override its values.

SIGTERM and SIGINT stop the server: it finishes running requests and exits with 0. SIGHUP reloads the
configuration; at a terminal, it stops the server. With $NOTIFY_SOCKET, the server notifies the service
manager when it is ready and when it drains, and feeds its watchdog.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found := a.FindConfig(o.dir, args)
			if err := cli.TrustedInstallation(found, len(args) > 0); err != nil {
				return err
			}
			return runServe(cmd.Context(), a, found)
		},
	}
	a.AddDir(cmd, &o.dir)
	return cmd
}

func runServe(ctx context.Context, a *cli.App, found config.Found) error {
	if err := deployment.LeftToSystemd(found.Path); err != nil {
		return err
	}
	s, err := deployment.NewServer(ctx, a, found, a.Stderr, func(o *server.Options) { deployment.AnnounceState(a, o) })
	if err != nil {
		return err
	}
	defer deployment.FeedWatchdog(a, s)()
	if !term.IsTerminal(int(a.Stdin.Fd())) { // without a terminal, SIGHUP means reload, as for daemons
		reload := func() { _ = s.Reload(ctx) } // the server logs the outcome
		a.Hangup.Store(&reload)
		defer a.Hangup.Store(nil)
	}
	if err := s.Run(ctx); err != nil {
		return cli.ExitWith(cli.ExitFailed, err) // also if a signal started the shutdown: requests may have been cut off
	}
	return nil
}
