// Package storecmd has the commands below "packhouse store".
package storecmd

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/server/storage/drivers"
	"packhouse/trust"
)

// New returns the commands that maintain the store. Each uses the running server, which owns
// the store, or opens the store itself if no server is running.
func New(a *cli.App) *cobra.Command {
	cmd := cli.Group("store", "Collect garbage, verify, measure, reindex and delete the stored content",
		newGC(a), newScrub(a), newUsage(a), newReindex(a), newDelete(a))
	cmd.Long = `Maintain the content of a registry: through the running server, or directly if no server is running. If a
store on disk belongs to another user, a command that root runs continues as that user, so that the server can
read the files it writes. A command without a server stops when a server starts on the store; run it again then.`
	return cmd
}

// keeper maintains a store: through the admin socket of a running server, or directly.
type keeper interface {
	Collect(ctx context.Context, r admin.CollectRequest, report func(storage.Verdict)) (storage.CollectReport, error)
	PurgeUploads(ctx context.Context, r admin.PurgeRequest) (storage.PurgeReport, error)
	Scrub(ctx context.Context, r admin.ScrubRequest, report func(storage.Damage)) (storage.ScrubReport, error)
	Usage(ctx context.Context) (storage.Usage, error)
	Reindex(ctx context.Context) (storage.ReindexReport, error)
	Delete(ctx context.Context, r admin.DeleteRequest) (admin.Deletion, error)
}

// options are the flags that all store commands share.
type options struct {
	*cli.App
	dir  string
	json bool
}

func (o *options) add(cmd *cobra.Command) {
	o.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

// withKeeper calls do with the running server of a configuration, or with the store itself if no
// server is running. The context of do is canceled when a server starts on a store that this
// process opened.
func (o *options) withKeeper(cmd *cobra.Command, args []string, do func(context.Context, keeper) error) error {
	ctx := cmd.Context()
	path, err := o.SomeConfig(o.dir, args)
	if err != nil {
		return err
	}
	if err := cli.Trusted(path); err != nil {
		return err
	}
	loaded, err := o.LoadConfig(path)
	if err != nil {
		return err
	}
	c := &loaded.Config
	client, err := deployment.FindServer(c, filepath.Dir(path))
	if err == nil {
		defer client.Close()
		return do(ctx, client)
	}
	if !errors.Is(err, admin.ErrNotRunning) {
		return err
	}
	if c.Storage.Driver == config.InMemory {
		return errors.New("the store is in the memory of a server, and none is running")
	}
	uid := os.Geteuid()
	if err := deployment.BecomeOwner(c); err != nil {
		return err
	}
	return asOwner(uid, o.inStore(ctx, cmd, c, do))
}

// asOwner adds a hint to an error if root, the user uid, became the owner of the store, who may not
// see what root sees.
func asOwner(uid int, err error) error {
	if now := os.Geteuid(); now != uid && errors.Is(err, fs.ErrPermission) {
		return cli.WithHint(err, "root acts as %s here, the owner of the store: give that user what this names",
			trust.UserName(now))
	}
	return err
}

// inStore opens the store itself for do.
func (o *options) inStore(
	ctx context.Context, cmd *cobra.Command, c *config.Config, do func(context.Context, keeper) error,
) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	log := slog.New(slog.NewTextHandler(o.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := drivers.Open(ctx, c, drivers.Options{
		Log: log, Now: o.Now, Work: "store " + cmd.Name(), Yield: func() { cancel(errYielded) },
	})
	if err != nil {
		return err
	}
	err = do(ctx, ownStore{store, c.Storage.Maintenance})
	closed := store.Close()
	if errors.Is(context.Cause(ctx), errYielded) && (errors.Is(err, context.Canceled) || errors.Is(err, errYielded)) {
		again := "run packhouse store %s again when the server has started: it does the work while it serves"
		return errors.Join(cli.WithHint(errYielded, again, cmd.Name()), closed)
	}
	return errors.Join(err, closed)
}

// errYielded ends an offline command because a server is starting. The store is consistent: the
// command has completed some of its work, and has not started the rest.
var errYielded = errors.New("stopped before the end, because a server is starting on this store")

// ownStore is a store that this process owns.
type ownStore struct {
	storage.Store
	maintenance config.Maintenance
}

// Collect implements keeper.
func (s ownStore) Collect(
	ctx context.Context, r admin.CollectRequest, report func(storage.Verdict),
) (storage.CollectReport, error) {
	o := storage.CollectOptions{DryRun: r.DryRun, Window: s.maintenance.GC.Window, Untagged: s.maintenance.GC.Untagged}
	if r.Untagged > 0 {
		o.Untagged = r.Untagged
	}
	if r.Window > 0 {
		o.Window = r.Window
	}
	return server.Collect(ctx, s.Store, o, report)
}

// PurgeUploads implements keeper.
func (s ownStore) PurgeUploads(ctx context.Context, r admin.PurgeRequest) (storage.PurgeReport, error) {
	return s.Store.PurgeUploads(ctx, s.maintenance.UploadPurging.Age, r.DryRun)
}

// Scrub implements keeper.
func (s ownStore) Scrub(
	ctx context.Context, r admin.ScrubRequest, report func(storage.Damage),
) (storage.ScrubReport, error) {
	return s.Store.Scrub(ctx, storage.ScrubOptions{Rate: r.Rate}, report)
}

// Delete implements keeper.
func (s ownStore) Delete(ctx context.Context, r admin.DeleteRequest) (admin.Deletion, error) {
	return server.Delete(ctx, s.Store, r)
}
