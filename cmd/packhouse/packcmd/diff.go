package packcmd

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/printable"
	"packhouse/trust"
)

func newPackDiff(a *cli.App) *cobra.Command {
	var (
		o      registryOptions
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two packs",
		Long: `Print what changed from pack A to pack B: keys of pack.json, versions of charts, images, values and
files. Each is a folder, an archive (.tar.gz), or a pack in the registry: NAME:TAG or NAME@DIGEST.
Lines start with + for an addition, - for a removal and ~ for a change.`,
		Example: `  packhouse pack diff nginx:1.24.3 nginx:1.25.0
  packhouse pack diff nginx:1.24.3 ./nginx-1.25.0 --json`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			var sides [2]packs.DiffInput
			for i, arg := range args {
				pack, err := hashedPack(a, cmd, arg, o)
				if err != nil {
					return err
				}
				sides[i] = pack.DiffInput()
			}
			diff := packs.Compare(sides[0], sides[1])
			printable.Value(&diff)
			if asJSON {
				return a.PrintJSON(diff)
			}
			if diff.Empty() {
				a.Say("no difference")
				return nil
			}
			writeDiff(a.Stdout, diff)
			return nil
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// anyPack reads the pack in a folder, archive or registry.
func anyPack(a *cli.App, cmd *cobra.Command, arg string, o registryOptions) (*packs.Pack, error) {
	if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() {
		return readArchiveFile(cmd.Context(), arg)
	}
	return packOf(a, cmd, arg, o)
}

// hashedPack is like anyPack, but the files of a folder have digests, too.
func hashedPack(a *cli.App, cmd *cobra.Command, arg string, o registryOptions) (*packs.Pack, error) {
	pack, err := anyPack(a, cmd, arg, o)
	if err != nil || len(pack.Files) == 0 || pack.Files[0].SHA256 != "" {
		return pack, err
	}
	root, err := trust.OpenFolder(arg)
	if err != nil {
		return nil, fmt.Errorf("open pack: %w", err)
	}
	defer root.Close() //nolint:errcheck // read only
	return pack, pack.HashFiles(root.FS())
}

// readArchiveFile reads the pack in an archive.
func readArchiveFile(ctx context.Context, name string) (*packs.Pack, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	defer file.Close() //nolint:errcheck // read only
	contents, err := packs.ReadArchive(ctx, file, packs.Limits{}, nil)
	if err != nil {
		return nil, commandError(err)
	}
	return contents.Pack, nil
}

func writeDiff(w io.Writer, d packs.Diff) {
	fmt.Fprintf(w, "%s %s → %s %s\n", d.From.Name, d.From.Version, d.To.Name, d.To.Version)
	for _, section := range []struct {
		name, unit string
		changes    []packs.Change
	}{
		{packs.MetadataFile, "", d.Metadata},
		{"charts", "", d.Charts},
		{"images", "", d.Images},
		{packs.ValuesFile, "", d.Values},
		{"files", " bytes", d.Files},
	} {
		if len(section.changes) > 0 {
			fmt.Fprintf(w, "\n%s\n", section.name)
		}
		for _, c := range section.changes {
			fmt.Fprintf(w, "  %s %s: %s\n", c.Sign(), printable.Line(c.Key), changedValue(c, section.unit))
		}
	}
	if len(d.Truncated) > 0 {
		fmt.Fprintf(w, "\nonly the first changes are listed of: %s\n", strings.Join(d.Truncated, ", "))
	}
}

// changedValue returns the old and the new value on one line.
func changedValue(c packs.Change, unit string) string {
	text := func(value string) string { return cmp.Or(printable.Line(value), `""`) + unit }
	switch {
	case c.Old == nil:
		return text(*c.New)
	case c.New == nil:
		return text(*c.Old)
	}
	return text(*c.Old) + " → " + text(*c.New)
}
