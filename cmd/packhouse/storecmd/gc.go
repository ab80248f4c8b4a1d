package storecmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/admin"
	"packhouse/server/storage"
	"packhouse/spelling"
)

// gcReport is the JSON of store gc.
type gcReport struct {
	Verdicts []storage.Verdict     `json:"verdicts"`
	Report   storage.CollectReport `json:"report"`
	Uploads  storage.PurgeReport   `json:"uploads"`
}

// gcOptions are the flags of "store gc".
type gcOptions struct {
	options
	dryRun   bool
	untagged time.Duration // 0: as configured
}

func newGC(a *cli.App) *cobra.Command {
	o := &gcOptions{options: options{App: a}}
	cmd := &cobra.Command{
		Use:   "gc [CONFIG]",
		Short: "Remove content that is not referenced and was not used recently",
		Long: `Remove blobs that no manifest refers to and that were not used within storage.maintenance.gc.window, and
abandoned uploads. The registry can serve meanwhile. With --dry-run, print for every blob whether it
would be removed, and why.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.withKeeper(cmd, args, o.run) },
	}
	o.add(cmd)
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "print what would be removed, and why; change nothing")
	cmd.Flags().DurationVar(&o.untagged, "untagged", 0,
		"also remove manifests that lost their tag at least `AGE` ago (default as configured: never)")
	return cmd
}

func (o *gcOptions) run(ctx context.Context, k keeper) error {
	result := gcReport{Verdicts: []storage.Verdict{}}
	request := admin.CollectRequest{DryRun: o.dryRun, Untagged: o.untagged}
	var err error
	result.Report, err = k.Collect(ctx, request, func(v storage.Verdict) {
		switch {
		case o.json:
			result.Verdicts = append(result.Verdicts, v)
		case o.dryRun || v.Removed:
			o.showVerdict(v)
		}
	})
	if err != nil {
		return err
	}
	if result.Uploads, err = k.PurgeUploads(ctx, admin.PurgeRequest{DryRun: o.dryRun}); err != nil {
		return err
	}
	if o.json {
		return o.PrintJSON(result)
	}
	o.show(result)
	return nil
}

func (o *gcOptions) showVerdict(v storage.Verdict) {
	word := "keep  "
	switch {
	case v.Removed && o.dryRun:
		word = "would remove"
	case v.Removed:
		word = "removed"
	}
	after := ""
	if !v.After.IsZero() {
		after = ", can be removed after " + v.After.Local().Format(time.DateTime)
	}
	fmt.Fprintf(o.Stdout, "%s  %s  %s  %s%s\n", word, v.Digest, cli.HumanBytes(v.Size), v.Reason, after)
}

func (o *gcOptions) show(r gcReport) {
	word := "removed"
	if r.Report.DryRun {
		word = "would remove"
	}
	fmt.Fprintf(o.Stdout, "%s %s (%s), %s and %s; kept %s\n",
		word, spelling.Count(r.Report.BlobsRemoved, "blob"), cli.HumanBytes(r.Report.BytesFreed),
		spelling.Count(r.Report.ManifestsRemoved, "manifest"), spelling.Count(r.Report.LinksRemoved, "link"),
		spelling.Count(r.Report.BlobsKept, "blob"))
	fmt.Fprintf(o.Stdout, "%s %s (%s); %d open\n", word, spelling.Count(r.Uploads.Removed, "abandoned upload"),
		cli.HumanBytes(r.Uploads.Bytes), r.Uploads.Kept)
	if r.Report.Skipped != "" {
		o.Say("nothing was removed: %s", r.Report.Skipped)
	}
	for _, p := range r.Report.Problems {
		o.Warn("%s", p)
	}
}
