package packcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/packs/render"
	"packhouse/printable"
	"packhouse/trust"
)

// imagesFlags are the flags of pack images.
type imagesFlags struct {
	registry registryOptions
	declared bool
	rendered bool
	json     bool
}

func newPackImages(a *cli.App) *cobra.Command {
	var o imagesFlags
	cmd := &cobra.Command{
		Use:   "images DIR|NAME:TAG",
		Short: "List the container images of a pack, for mirroring",
		Long: `List the container images of a pack: images that pack.content.images of values.yaml declares, images
that its charts and manifests deploy with its values or one of its presets, and images that its charts
list for Artifact Hub. Charts are rendered as with "helm template": without a cluster, network or
environment, in a process with limited time and memory. If a chart cannot be rendered, its images are
guessed from its templates. A folder is read from disk, any other pack from the registry.`,
		Example: `  packhouse pack images nginx:1.2.3 | xargs -n1 -I% skopeo copy docker://% docker://mirror.example.com/%
  packhouse pack images ./nginx-1.2.3 --rendered`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, cleanup, err := packFolder(a, cmd, args[0], o.registry)
			if err != nil {
				return err
			}
			defer cleanup()
			images, err := imagesOf(cmd.Context(), a, dir)
			if err != nil {
				return err
			}
			return printImages(a, images, o)
		},
	}
	o.registry.add(cmd)
	cmd.Flags().BoolVar(&o.declared, "declared", false, "list images that values.yaml declares")
	cmd.Flags().BoolVar(&o.rendered, "rendered", false, "list images that charts and manifests deploy")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON, with the files that name the images and where they come from")
	return cmd
}

// imagesOf lists the images of the pack in a folder.
func imagesOf(ctx context.Context, a *cli.App, dir string) ([]packs.Image, error) {
	pack, err := openWholePack(a, dir)
	if err != nil {
		return nil, err
	}
	result, err := renderPack(ctx, dir)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		a.Warn("the charts cannot be rendered, images are guessed: %v", err)
		return pack.Images, nil
	}
	for _, f := range result.Failures {
		a.Warn("%s cannot be rendered with the pack's values: %s", printable.Line(f.Path), printable.Line(f.What))
	}
	return result.Images, nil
}

func printImages(a *cli.App, images []packs.Image, o imagesFlags) error {
	var wanted packs.Origin
	if o.declared {
		wanted |= packs.Declared
	}
	if o.rendered {
		wanted |= packs.Rendered
	}
	if wanted != 0 {
		images = slices.DeleteFunc(images, func(i packs.Image) bool { return i.From&wanted == 0 })
	}
	if o.json {
		return a.PrintJSON(append([]packs.Image{}, images...))
	}
	for _, image := range images {
		fmt.Fprintln(a.Stdout, printable.Line(image.Reference))
	}
	if len(images) == 0 {
		a.Say("the pack has no such image")
	}
	return nil
}

// packFolder returns a folder with a pack: arg if it is one, else the pack in the registry, which is
// pulled into a temporary folder.
func packFolder(a *cli.App, cmd *cobra.Command, arg string, o registryOptions) (dir string, cleanup func(), err error) {
	ref, isFolder, err := folderOrReference(arg)
	switch {
	case err != nil:
		return "", nil, err
	case isFolder:
		return arg, func() {}, nil
	}
	client, err := packClient(a, o)
	if err != nil {
		return "", nil, err
	}
	temporary, err := os.MkdirTemp("", "packhouse-pack-*")
	if err != nil {
		return "", nil, fmt.Errorf("create folder: %w", err)
	}
	cleanup = func() { _ = os.RemoveAll(temporary) }
	pulled, err := client.Pull(cmd.Context(), ref, temporary, nil)
	if err != nil {
		cleanup()
		return "", nil, commandError(err)
	}
	return pulled.Dir, cleanup, nil
}

// newPackRender returns the command that renderPack runs. It is hidden: users call pack images.
func newPackRender(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:    RenderCommand + " DIR",
		Short:  "Render the charts of a pack",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := limitRendering(); err != nil {
				return fmt.Errorf("limit rendering: %w", err)
			}
			pack, err := packs.OpenDir(args[0])
			if err != nil {
				return err
			}
			root, err := trust.OpenFolder(args[0])
			if err != nil {
				return fmt.Errorf("open pack: %w", err)
			}
			return errors.Join(a.PrintJSON(render.Pack(root.FS(), pack)), root.Close())
		},
	}
}
