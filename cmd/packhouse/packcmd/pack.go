// Package packcmd has the commands of the pack client, below "packhouse pack" and "packhouse
// registry".
package packcmd

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/printable"
)

// New returns the commands for packs, local folders and artifacts. Their syntax is that of the
// vendor's CLI.
func New(a *cli.App) *cobra.Command {
	return cli.Group("pack", "Build, validate, push, pull and list packs",
		newPackPush(a), newPackPull(a), newPackList(a), newPackTag(a), newPackLint(a), newPackBuild(a), newPackImages(a),
		newPackRender(a), newPackDiff(a), newPackConstraints(a))
}

func newPackPull(a *cli.App) *cobra.Command {
	var o registryOptions
	cmd := &cobra.Command{
		Use:   "pull NAME[:TAG|@DIGEST] DIR",
		Short: "Pull a pack into a folder",
		Long: `Write a pack to the folder DIR/NAME-VERSION, completely or not at all, and print that folder. Without a
tag, pull the highest version; a parent tag such as 1.24.x selects the highest version below it.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := packs.ParseReference(args[0])
			if err != nil {
				return cli.UsageError(commandError(err))
			}
			client, err := packClient(a, o)
			if err != nil {
				return err
			}
			bar := cli.NewProgress(a)
			if err := cli.TrustedTarget(args[1]); err != nil {
				return err
			}
			pulled, err := client.Pull(cmd.Context(), ref, args[1], bar.Show("pulling"))
			bar.End()
			if err != nil {
				return commandError(err)
			}
			warnProblems(a, pulled.Contents.Lint())
			if pulled.Tag != ref.Tag {
				a.Say("%s is %s:%s", ref, ref.Name, pulled.Tag)
			}
			fmt.Fprintln(a.Stdout, printable.Line(pulled.Dir))
			return nil
		},
	}
	o.add(cmd)
	return cmd
}

// packOf reads the pack in a folder if arg is one, else a pack in the registry.
func packOf(a *cli.App, cmd *cobra.Command, arg string, o registryOptions) (*packs.Pack, error) {
	ref, isFolder, err := folderOrReference(arg)
	switch {
	case err != nil:
		return nil, err
	case isFolder:
		return openWholePack(a, arg)
	}
	client, err := packClient(a, o)
	if err != nil {
		return nil, err
	}
	pulled, err := client.Inspect(cmd.Context(), ref)
	if err != nil {
		return nil, commandError(err)
	}
	return pulled.Contents.Pack, nil
}

// folderOrReference reports whether arg names a folder, and otherwise which pack in the registry.
func folderOrReference(arg string) (ref packs.Reference, isFolder bool, err error) {
	info, err := os.Stat(arg)
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return ref, false, cli.UsageError(fmt.Errorf("%q is neither a folder nor a regular file", arg))
	}
	if err == nil && (info.IsDir() || strings.ContainsRune(arg, os.PathSeparator) || strings.Contains(arg, ".")) {
		return ref, true, nil
	}
	if ref, err = packs.ParseReference(arg); err != nil {
		err = cli.UsageError(cli.WithHint(fmt.Errorf("%q is neither a folder nor a pack", arg),
			"write a folder, or NAME:TAG for a pack in the registry"))
	}
	return ref, false, err
}
