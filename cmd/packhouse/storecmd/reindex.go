package storecmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
)

// reindexOptions are the flags of "store reindex".
type reindexOptions struct{ options }

func newReindex(a *cli.App) *cobra.Command {
	o := &reindexOptions{options{App: a}}
	cmd := &cobra.Command{
		Use:   "reindex [CONFIG]",
		Short: "Rebuild the indexes of repositories, tags and referrers",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return o.withKeeper(cmd, args, o.run) },
	}
	o.add(cmd)
	return cmd
}

func (o *reindexOptions) run(ctx context.Context, k keeper) error {
	report, err := k.Reindex(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return o.PrintJSON(report)
	}
	fmt.Fprintf(o.Stdout, "repositories: %d, tags: %d, referrers: %d\n",
		report.Repositories, report.Tags, report.Referrers)
	return nil
}
