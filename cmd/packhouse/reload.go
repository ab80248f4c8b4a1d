package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// newReload returns the command that makes the running server load the configuration on disk.
func newReload(a *app) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "reload [CONFIG]",
		Short: "Make the running server load the configuration on disk",
		Long: `reload makes the running server read its configuration again, verify it and apply it without dropping a
connection; so does SIGHUP. CONFIG only selects the server: it reads the file and the variables that it was started with.

0: applied. 1: refused, or no server runs; a server that refuses keeps its configuration.
4: applied, except the keys that are printed, which need a restart.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runReload(cmd.Context(), a.findConfig(dir, args))
		},
	}
	a.addDir(cmd, &dir)
	return cmd
}

func (a *app) runReload(ctx context.Context, found config.Found) error {
	if err := trusted(found.Path); err != nil {
		return err
	}
	client, err := a.findRunning(ctx, found.Path)
	if errors.Is(err, fs.ErrPermission) {
		return withHint(
			fmt.Errorf("query the running server: %w", err), "run this as the user of the server, or as root",
		)
	}
	if errors.Is(err, admin.ErrNotRunning) {
		return withHint(
			fmt.Errorf("no server runs on %s", nameOf(found)), "%s; --dir DIR selects another installation",
			startHint(found.Path),
		)
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
			a.say("error: %s", strings.TrimSpace(line))
		}
		a.say("the running server keeps the configuration it has")
		a.hint("packhouse config verify %s", setup.Shell(found.Path))
		return silent(exitFailed)
	}
	if len(result.NeedsRestart) == 0 {
		a.say("the running server has loaded the configuration")
		return nil
	}
	a.say("the running server has loaded the configuration, except these keys, which need a restart:")
	for _, key := range result.NeedsRestart {
		fmt.Fprintln(a.stdout, key)
	}
	return silent(exitFindings)
}

// findRunning finds the running server of a configuration, even if the configuration no longer
// loads or now has another store.
func (a *app) findRunning(ctx context.Context, path string) (*admin.Client, error) {
	c := config.Glimpse(config.Source{Path: path, Env: a.env})
	client, err := findServer(c, filepath.Dir(path))
	if !errors.Is(err, admin.ErrNotRunning) {
		return client, err
	}
	absolute, bad := filepath.Abs(path)
	if path == "" || bad != nil {
		return nil, err
	}
	for _, place := range admin.Paths(c) {
		sockets, bad := filepath.Glob(filepath.Join(filepath.Dir(place), "*.sock"))
		if bad != nil {
			continue // the directory name contains a pattern
		}
		for _, socket := range sockets {
			client, bad := admin.Dial(socket, installation.ServerUsers(filepath.Dir(path))...)
			if bad != nil {
				continue // stale, or another user's
			}
			if status, bad := client.Status(ctx); bad == nil && installation.SameFile(status.Config, absolute) {
				return client, nil
			}
			client.Close()
		}
	}
	return nil, err
}

// reload makes the running server of a plan load the written files. It reports whether one is
// running.
func (a *app) reload(ctx context.Context, plan *plan.Plan) (bool, error) {
	client, err := a.findRunning(ctx, configOf(plan)) // also if environment variables do not load
	if errors.Is(err, admin.ErrNotRunning) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("query the running server: %w", err)
	}
	defer client.Close()
	result, err := client.Reload(ctx)
	switch {
	case err != nil:
		return true, fmt.Errorf("reload the running server: %w", err)
	case result.Error != "":
		return true, fmt.Errorf("the running server keeps its old state: %s", result.Error)
	case len(result.NeedsRestart) > 0:
		a.warn("the running server has to be restarted for %s", strings.Join(result.NeedsRestart, ", "))
	default:
		a.say("the running server has taken the change")
	}
	return true, nil
}
