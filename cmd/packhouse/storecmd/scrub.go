package storecmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/admin"
	"packhouse/server/storage"
	"packhouse/spelling"
)

// scrubOptions are the flags of "store scrub".
type scrubOptions struct {
	options
	rate int64 // bytes per second; 0: unlimited
}

func newScrub(a *cli.App) *cobra.Command {
	o := &scrubOptions{options: options{App: a}}
	cmd := &cobra.Command{
		Use:   "scrub [CONFIG]",
		Short: "Read everything and compare it with its digest",
		Long: `Read every blob and manifest and compare it with its digest. Damaged blobs move to quarantine, so that
readers get an error instead of wrong bytes, and the next push of the content repairs them. Exit with 4
if there is damage.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.withKeeper(cmd, args, o.run) },
	}
	o.add(cmd)
	cmd.Flags().Int64Var(&o.rate, "rate", 0, "read at most `BYTES` per second (default: unlimited)")
	return cmd
}

func (o *scrubOptions) run(ctx context.Context, k keeper) error {
	report, err := k.Scrub(ctx, admin.ScrubRequest{Rate: o.rate}, func(d storage.Damage) {
		if !o.json {
			o.show(d)
		}
	})
	if err != nil {
		return err
	}
	if o.json {
		err = o.PrintJSON(report)
	} else {
		fmt.Fprintf(o.Stdout, "verified %s and %s, %s; %d damaged\n", spelling.Count(report.Blobs, "blob"),
			spelling.Count(report.Manifests, "manifest"), cli.HumanBytes(report.Bytes), len(report.Damaged))
	}
	if err == nil && len(report.Damaged) > 0 {
		return cli.Silent(cli.ExitFindings)
	}
	return err
}

func (o *scrubOptions) show(d storage.Damage) {
	fmt.Fprintf(o.Stdout, "damaged %s %s: %s\n", d.Kind, d.Digest, d.What)
	for _, repository := range d.Repositories {
		fmt.Fprintf(o.Stdout, "        in %s\n", repository)
	}
	if d.Quarantined != "" {
		fmt.Fprintf(o.Stdout, "        moved to quarantine as %s\n", d.Quarantined)
	}
}
