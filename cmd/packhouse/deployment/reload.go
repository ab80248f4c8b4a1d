package deployment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/trust"
)

// FindRunning finds the running server of a configuration, even if the configuration no longer
// loads or now has another store.
func FindRunning(ctx context.Context, a *cli.App, path string) (*admin.Client, error) {
	c := config.Glimpse(config.Source{Path: path, Env: a.Env})
	client, err := FindServer(c, filepath.Dir(path))
	if !errors.Is(err, admin.ErrNotRunning) {
		return client, err
	}
	absolute, bad := trust.Abs(path)
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

// Reload makes the running server of a plan load the written files. It reports whether one is
// running.
func Reload(ctx context.Context, a *cli.App, plan *plan.Plan) (bool, error) {
	client, err := FindRunning(ctx, a, configOf(plan)) // also if environment variables do not load
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
		a.Warn("the running server has to be restarted for %s", strings.Join(result.NeedsRestart, ", "))
		a.Hint("%s", ServerOf(configOf(plan), 0).Restart())
	default:
		a.Say("the running server has taken the change")
	}
	return true, nil
}
