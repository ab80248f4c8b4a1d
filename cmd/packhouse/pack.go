package main

import (
	"errors"
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

// buildFlags are the flags of pack build.
type buildFlags struct {
	registry registryOptions
	build    packs.BuildOptions
	push     bool
}

func newPackBuild(a *app) *cobra.Command {
	var o buildFlags
	cmd := &cobra.Command{
		Use:   "build NAME DIR",
		Short: "Make a pack out of a Helm chart or of manifests",
		Long: `build makes the folder DIR/NAME-VERSION with all that a pack needs: pack.json, values.yaml with the chart's values and the
images it finds, README.md, a logo. Look at them before you push: what runs in a cluster is yours to say.`,
		Example: `  packhouse pack build nginx . --chart nginx-18.1.0.tgz
  packhouse pack build policies . --manifests ./yaml --version 1.0.0 --push`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.build.Name, o.build.Dir = args[0], args[1]
			folder, err := packs.Build(cmd.Context(), o.build)
			if refused, ok := errors.AsType[*packs.Refused](err); ok {
				a.sayProblems(refused.Problems)
				return silent(exitFindings)
			}
			if err != nil {
				return told(err)
			}
			if o.push {
				a.say("made %s", folder)
				return a.pushOne(cmd.Context(), pushFlags{registry: o.registry, push: packs.PushOptions{Dir: folder}})
			}
			if pack, err := packs.OpenDir(folder); err == nil {
				a.sayProblems(pack.Lint())
			}
			fmt.Fprintln(a.stdout, folder)
			return nil
		},
	}
	cmd.Flags().StringVar(&o.build.Chart, "chart", "", "`FILE` of a packaged Helm chart, .tgz")
	cmd.Flags().StringVar(&o.build.Manifests, "manifests", "", "`DIR` of .yaml files, applied in the order of their names")
	cmd.Flags().StringVar(&o.build.Version, "version", "", "`VERSION` of the pack (default: the chart's)")
	cmd.Flags().StringVar(&o.build.DisplayName, "display-name", "", "`TEXT` that Palette shows (default: NAME)")
	cmd.Flags().StringVar(&o.build.Layer, "layer", "addon", "`LAYER`: kernel, os, k8s, cni, csi or addon")
	cmd.Flags().StringVar(&o.build.Namespace, "namespace", "", "`NAMESPACE` that it is installed into (default: NAME)")
	cmd.Flags().StringVar(&o.build.Logo, "logo", "", "PNG `FILE` (default: one is drawn)")
	cmd.Flags().BoolVarP(&o.push, "push", "p", false, "push it as well")
	cmd.MarkFlagsOneRequired("chart", "manifests")
	cmd.MarkFlagsMutuallyExclusive("chart", "manifests")
	o.registry.add(cmd)
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
