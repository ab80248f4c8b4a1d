package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/packs"
	"packhouse/printable"
)

// newPack returns the commands for packs, local folders and artifacts. Their syntax is that of the
// vendor's CLI.
func newPack(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pack",
		Short: "Make, judge, push, pull and list packs",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPackPush(a), newPackPull(a), newPackList(a), newPackTag(a), newPackLint(a), newPackBuild(a), newPackImages(a))
	cmd.AddCommand(newPackDiff(a), newPackConstraints(a))
	return cmd
}

func newPackPull(a *app) *cobra.Command {
	var o registryOptions
	cmd := &cobra.Command{
		Use:   "pull NAME[:TAG|@DIGEST] DIR",
		Short: "Pull a pack into a folder",
		Long: `pull writes a pack into the folder DIR/NAME-VERSION, whole or not at all, and prints that folder. Without a tag it takes the
highest version; a parent tag such as 1.24.x stands for the highest one below it.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := packs.ParseReference(args[0])
			if err != nil {
				return usageError(told(err))
			}
			client, err := a.packClient(o)
			if err != nil {
				return err
			}
			bar := a.newProgress()
			if err := trustedTarget(args[1]); err != nil {
				return err
			}
			pulled, err := client.Pull(cmd.Context(), ref, args[1], bar.show("pulling"))
			bar.end()
			if err != nil {
				return told(err)
			}
			a.sayProblems(pulled.Contents.Lint())
			if pulled.Tag != ref.Tag {
				a.say("%s is %s:%s", ref, ref.Name, pulled.Tag)
			}
			fmt.Fprintln(a.stdout, printable.Line(pulled.Dir))
			return nil
		},
	}
	o.add(cmd)
	return cmd
}

func newPackImages(a *app) *cobra.Command {
	var (
		o      registryOptions
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "images DIR|NAME:TAG",
		Short: "List the container images of a pack, for mirroring",
		Long: `images lists the container images that a pack names: in values.yaml, in its charts, in its manifests. What a chart puts together
at run time may be missing. A folder is read here, anything else in the registry.`,
		Example: `  packhouse pack images nginx:1.2.3 | xargs -n1 -I% skopeo copy docker://% docker://mirror.example.com/%`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pack, err := a.packOf(cmd, args[0], o)
			if err != nil {
				return err
			}
			if asJSON {
				images := pack.Images
				if images == nil {
					images = []packs.Image{}
				}
				return a.printJSON(images)
			}
			for _, image := range pack.Images {
				fmt.Fprintln(a.stdout, printable.Line(image.Reference))
			}
			if len(pack.Images) == 0 {
				a.say("no image is named in values.yaml, charts or manifests")
			}
			return nil
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the files that name the images")
	return cmd
}

// packOf reads the pack in a folder if arg is one, else a pack in the registry.
func (a *app) packOf(cmd *cobra.Command, arg string, o registryOptions) (*packs.Pack, error) {
	if info, err := os.Stat(arg); err == nil && (info.IsDir() || strings.ContainsRune(arg, os.PathSeparator) || strings.Contains(arg, ".")) {
		return openPack(arg)
	}
	ref, err := packs.ParseReference(arg)
	if err != nil {
		return nil, usageError(withHint(fmt.Errorf("%q is neither a folder nor a pack", arg), "write a folder, or NAME:TAG for a pack in the registry"))
	}
	client, err := a.packClient(o)
	if err != nil {
		return nil, err
	}
	pulled, err := client.Inspect(cmd.Context(), ref)
	if err != nil {
		return nil, told(err)
	}
	return pulled.Contents.Pack, nil
}
