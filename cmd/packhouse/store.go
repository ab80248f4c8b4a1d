package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server"
	"packhouse/server/admin"
	"packhouse/server/config"
	"packhouse/server/storage"
	"packhouse/spelling"
)

// newStore returns the commands that maintain the store. Each uses the running server, which owns
// the store, or opens the store itself if no server is running.
func newStore(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Collect garbage, verify, measure, reindex and delete the stored content",
		Long: `store maintains the content of a registry: through the running server, or directly if no server is running. If
a store on disk belongs to another user, root runs the command as that user, so that the server can read the files
it writes. A command without a server stops when a server starts on the store: run it again then.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newStoreGC(a), newStoreScrub(a), newStoreUsage(a), newStoreReindex(a), newStoreDelete(a))
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

// storeOptions are the flags that all store commands share.
type storeOptions struct {
	dir  string
	json bool
}

func (o *storeOptions) add(a *cli.App, cmd *cobra.Command) {
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

// withKeeper calls do with the running server of a configuration, or with the store itself if no
// server is running. The context of do is canceled when a server starts on a store that this
// process opened.
func withKeeper(a *cli.App, cmd *cobra.Command, o storeOptions, args []string, do func(context.Context, keeper) error) error {
	ctx := cmd.Context()
	path, err := a.SomeConfig(o.dir, args)
	if err != nil {
		return err
	}
	if err := cli.Trusted(path); err != nil {
		return err
	}
	loaded, err := a.LoadConfig(path)
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
	if err := deployment.BecomeOwner(c); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	log := slog.New(slog.NewTextHandler(a.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, err := server.OpenStoreOffline(ctx, c, log, a.Now, "store "+cmd.Name(), func() { cancel(errYielded) })
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

func (s ownStore) Collect(ctx context.Context, r admin.CollectRequest, report func(storage.Verdict)) (storage.CollectReport, error) {
	o := storage.CollectOptions{DryRun: r.DryRun, Window: s.maintenance.GC.Window, Untagged: s.maintenance.GC.Untagged}
	if r.Untagged > 0 {
		o.Untagged = r.Untagged
	}
	if r.Window > 0 {
		o.Window = r.Window
	}
	return server.Collect(ctx, s.Store, o, report)
}

func (s ownStore) PurgeUploads(ctx context.Context, r admin.PurgeRequest) (storage.PurgeReport, error) {
	return s.Store.PurgeUploads(ctx, s.maintenance.UploadPurging.Age, r.DryRun)
}

func (s ownStore) Scrub(ctx context.Context, r admin.ScrubRequest, report func(storage.Damage)) (storage.ScrubReport, error) {
	return s.Store.Scrub(ctx, storage.ScrubOptions{Rate: r.Rate}, report)
}

func (s ownStore) Delete(ctx context.Context, r admin.DeleteRequest) (admin.Deletion, error) {
	return server.Delete(ctx, s.Store, r)
}

// gcReport is the JSON of store gc.
type gcReport struct {
	Verdicts []storage.Verdict     `json:"verdicts"`
	Report   storage.CollectReport `json:"report"`
	Uploads  storage.PurgeReport   `json:"uploads"`
}

func newStoreGC(a *cli.App) *cobra.Command {
	var (
		o        storeOptions
		dryRun   bool
		untagged time.Duration
	)
	cmd := &cobra.Command{
		Use:   "gc [CONFIG]",
		Short: "Remove content that is not referenced and was not used recently",
		Long: `gc removes blobs that no manifest refers to and that were not used within storage.maintenance.gc.window, and uploads
that were abandoned. It runs beside a serving registry. With --dry-run it says for every blob why it stays or goes, and when it may.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeeper(a, cmd, o, args, func(ctx context.Context, k keeper) error {
				result := gcReport{Verdicts: []storage.Verdict{}}
				var err error
				result.Report, err = k.Collect(ctx, admin.CollectRequest{DryRun: dryRun, Untagged: untagged}, func(v storage.Verdict) {
					switch {
					case o.json:
						result.Verdicts = append(result.Verdicts, v)
					case dryRun || v.Removed:
						showVerdict(a, v, dryRun)
					}
				})
				if err != nil {
					return err
				}
				if result.Uploads, err = k.PurgeUploads(ctx, admin.PurgeRequest{DryRun: dryRun}); err != nil {
					return err
				}
				if o.json {
					return a.PrintJSON(result)
				}
				showCollection(a, result)
				return nil
			})
		},
	}
	o.add(a, cmd)
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "say what would go, and why what stays does")
	cmd.Flags().DurationVar(&untagged, "untagged", 0, "`AGE` from which manifests that lost their tag go (default as configured: never)")
	return cmd
}

func showVerdict(a *cli.App, v storage.Verdict, dryRun bool) {
	word := "keep  "
	switch {
	case v.Removed && dryRun:
		word = "would remove"
	case v.Removed:
		word = "removed"
	}
	after := ""
	if !v.After.IsZero() {
		after = ", may go after " + v.After.Local().Format(time.DateTime)
	}
	fmt.Fprintf(a.Stdout, "%s  %s  %s  %s%s\n", word, v.Digest, cli.HumanBytes(v.Size), v.Reason, after)
}

func showCollection(a *cli.App, r gcReport) {
	word := "removed"
	if r.Report.DryRun {
		word = "would remove"
	}
	fmt.Fprintf(a.Stdout, "%s %s (%s), %s and %s; kept %s\n",
		word, spelling.Count(r.Report.BlobsRemoved, "blob"), cli.HumanBytes(r.Report.BytesFreed),
		spelling.Count(r.Report.ManifestsRemoved, "manifest"), spelling.Count(r.Report.LinksRemoved, "link"),
		spelling.Count(r.Report.BlobsKept, "blob"))
	fmt.Fprintf(a.Stdout, "%s %s (%s); %d open\n", word, spelling.Count(r.Uploads.Removed, "abandoned upload"), cli.HumanBytes(r.Uploads.Bytes), r.Uploads.Kept)
	if r.Report.Skipped != "" {
		a.Say("nothing was removed: %s", r.Report.Skipped)
	}
	for _, p := range r.Report.Problems {
		a.Warn("%s", p)
	}
}

func newStoreScrub(a *cli.App) *cobra.Command {
	var (
		o    storeOptions
		rate int64
	)
	cmd := &cobra.Command{
		Use:   "scrub [CONFIG]",
		Short: "Read everything and compare it with its digest",
		Long: `scrub reads every blob and manifest and compares it with its digest. Damaged blobs move to quarantine, so that readers get an
error and not wrong bytes, and the next push of the content repairs them. It exits with 4 if it finds damage.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeeper(a, cmd, o, args, func(ctx context.Context, k keeper) error {
				report, err := k.Scrub(ctx, admin.ScrubRequest{Rate: rate}, func(d storage.Damage) {
					if !o.json {
						showDamage(a, d)
					}
				})
				if err != nil {
					return err
				}
				if o.json {
					err = a.PrintJSON(report)
				} else {
					fmt.Fprintf(a.Stdout, "verified %s and %s, %s; %d damaged\n",
						spelling.Count(report.Blobs, "blob"), spelling.Count(report.Manifests, "manifest"), cli.HumanBytes(report.Bytes), len(report.Damaged))
				}
				if err == nil && len(report.Damaged) > 0 {
					return cli.Silent(cli.ExitFindings)
				}
				return err
			})
		},
	}
	o.add(a, cmd)
	cmd.Flags().Int64Var(&rate, "rate", 0, "`BYTES` to read per second at most (default: unlimited)")
	return cmd
}

func showDamage(a *cli.App, d storage.Damage) {
	fmt.Fprintf(a.Stdout, "damaged %s %s: %s\n", d.Kind, d.Digest, d.What)
	for _, repository := range d.Repositories {
		fmt.Fprintf(a.Stdout, "        in %s\n", repository)
	}
	if d.Quarantined != "" {
		fmt.Fprintf(a.Stdout, "        moved to quarantine as %s\n", d.Quarantined)
	}
}

func newStoreUsage(a *cli.App) *cobra.Command {
	var o storeOptions
	cmd := &cobra.Command{
		Use:   "usage [CONFIG]",
		Short: "Show the storage used by each repository",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeeper(a, cmd, o, args, func(ctx context.Context, k keeper) error {
				usage, err := k.Usage(ctx)
				if err != nil {
					return err
				}
				if o.json {
					return a.PrintJSON(usage)
				}
				return showUsage(a, usage)
			})
		},
	}
	o.add(a, cmd)
	return cmd
}

func showUsage(a *cli.App, u storage.Usage) error {
	table := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "tags\tmanifests\tblobs\tbytes\tits alone\t  repository\n")
	for _, r := range u.Repositories {
		fmt.Fprintf(table, "%d\t%d\t%d\t%s\t%s\t  %s\n", r.Tags, r.Manifests, r.Blobs, cli.HumanBytes(r.Bytes), cli.HumanBytes(r.Unique), r.Name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.Stdout, "%s, %s; %s unreferenced; %s, %s; %d in quarantine\n",
		spelling.Count(u.Blobs, "blob"), cli.HumanBytes(u.Bytes), cli.HumanBytes(u.Unreferenced), spelling.Count(u.Uploads, "open upload"), cli.HumanBytes(u.UploadBytes), u.Quarantined)
	if u.Space.TotalBytes > 0 {
		fmt.Fprintf(a.Stdout, "%s of %s free\n", cli.HumanBytes(u.Space.FreeBytes), cli.HumanBytes(u.Space.TotalBytes))
	}
	return nil
}

func newStoreReindex(a *cli.App) *cobra.Command {
	var o storeOptions
	cmd := &cobra.Command{
		Use:   "reindex [CONFIG]",
		Short: "Rebuild the indexes of repositories, tags and referrers",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withKeeper(a, cmd, o, args, func(ctx context.Context, k keeper) error {
				report, err := k.Reindex(ctx)
				if err != nil {
					return err
				}
				if o.json {
					return a.PrintJSON(report)
				}
				fmt.Fprintf(a.Stdout, "repositories: %d, tags: %d, referrers: %d\n", report.Repositories, report.Tags, report.Referrers)
				return nil
			})
		},
	}
	o.add(a, cmd)
	return cmd
}
