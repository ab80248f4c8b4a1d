package storecmd

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/spelling"
)

// usageOptions are the flags of "store usage".
type usageOptions struct{ options }

func newUsage(a *cli.App) *cobra.Command {
	o := &usageOptions{options{App: a}}
	cmd := &cobra.Command{
		Use:   "usage [CONFIG]",
		Short: "Show the storage used by each repository",
		Args:  cobra.MaximumNArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return o.withKeeper(cmd, args, o.run) },
	}
	o.add(cmd)
	return cmd
}

func (o *usageOptions) run(ctx context.Context, k keeper) error {
	u, err := k.Usage(ctx)
	if err != nil {
		return err
	}
	if o.json {
		return o.PrintJSON(u)
	}
	table := tabwriter.NewWriter(o.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "tags\tmanifests\tblobs\tbytes\tunique\t  repository\n")
	for _, r := range u.Repositories {
		fmt.Fprintf(table, "%d\t%d\t%d\t%s\t%s\t  %s\n",
			r.Tags, r.Manifests, r.Blobs, cli.HumanBytes(r.Bytes), cli.HumanBytes(r.Unique), r.Name)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(o.Stdout, "%s, %s; %s unreferenced; %s, %s; %d in quarantine\n",
		spelling.Count(u.Blobs, "blob"), cli.HumanBytes(u.Bytes), cli.HumanBytes(u.Unreferenced),
		spelling.Count(u.Uploads, "open upload"), cli.HumanBytes(u.UploadBytes), u.Quarantined)
	if u.Space.TotalBytes > 0 {
		fmt.Fprintf(o.Stdout, "%s of %s free\n", cli.HumanBytes(u.Space.FreeBytes), cli.HumanBytes(u.Space.TotalBytes))
	}
	return nil
}
