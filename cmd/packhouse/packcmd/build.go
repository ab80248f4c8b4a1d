package packcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/printable"
)

// buildFlags are the flags of pack build.
type buildFlags struct {
	registry registryOptions
	build    packs.BuildOptions
	charts   []string
	repo     string
	push     bool
}

func newPackBuild(a *cli.App) *cobra.Command {
	var o buildFlags
	cmd := &cobra.Command{
		Use:   "build NAME DIR",
		Short: "Make a pack out of Helm charts or manifests",
		Long: `Create the folder DIR/NAME-VERSION, or DIR itself if that is its name, with everything a pack needs:
pack.json, values.yaml with the values of the charts and the images found in them, README.md and a
logo. Review them before you push.

--chart names a packaged chart: a file, https://HOST/FILE.tgz, oci://HOST/PATH/NAME[:VERSION], or with
--repo a chart of a repository, NAME[:VERSION]. Without a version, the highest release is used. Repeat
--chart for a pack of several charts. Digests of registries and indexes are verified. The flags
--ca-file and --insecure also apply to the servers of charts; passwords are those of registry login.`,
		Example: `  packhouse pack build nginx . --chart nginx-18.1.0.tgz
  packhouse pack build nginx . --chart oci://registry-1.docker.io/bitnamicharts/nginx:18.1.0 --addon-type ingress
  packhouse pack build monitoring . --repo https://charts.example.com --chart prometheus --chart alertmanager:1.2.0
  packhouse pack build policies . --manifests ./yaml --version 1.0.0 --push`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.build.Name, o.build.Dir = args[0], args[1]
			return buildPack(cmd.Context(), a, o)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.charts, "chart", nil, "`CHART`: file, URL, or NAME[:VERSION] in --repo (repeatable)")
	f.StringVar(&o.repo, "repo", "", "`URL` of the chart repository")
	f.StringVar(&o.build.Manifests, "manifests", "", "`DIR` of .yaml files, applied in the order of their names")
	f.StringVar(&o.build.Version, "version", "", "`VERSION` of the pack (default: that of the first chart)")
	f.StringVar(&o.build.DisplayName, "display-name", "", "`TEXT` that Palette shows (default: NAME)")
	f.StringVar(&o.build.Layer, "layer", "addon", "`LAYER`: kernel, os, k8s, cni, csi or addon")
	f.StringVar(&o.build.AddonType, "addon-type", "", "`TYPE` of an add-on, such as monitoring or ingress")
	f.StringSliceVar(&o.build.CloudTypes, "cloud-type", nil,
		"`CLOUD` that it runs on, such as aws (repeatable; default: all)")
	f.StringVar(&o.build.Namespace, "namespace", "", "`NAMESPACE` that it is installed into (default: NAME)")
	f.StringVar(&o.build.Logo, "logo", "", "PNG `FILE` (default: a generated one)")
	f.BoolVarP(&o.push, "push", "p", false, "also push the pack")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if !f.Changed("chart") && !f.Changed("manifests") {
			return cli.Usage(cmd, "one of --chart and --manifests is needed")
		}
		return nil
	}
	o.registry.add(cmd)
	return cmd
}

// buildPack fetches the charts, and creates the pack.
func buildPack(ctx context.Context, a *cli.App, o buildFlags) error {
	if err := o.build.Validate(); err != nil {
		return cli.UsageError(commandError(err))
	}
	refs := make([]packs.ChartRef, len(o.charts))
	for i, text := range o.charts {
		var err error
		if refs[i], err = packs.ParseChartRef(text, o.repo); err != nil {
			return cli.UsageError(commandError(err))
		}
	}
	if o.repo != "" && !slices.ContainsFunc(refs, func(r packs.ChartRef) bool { return r.Repo != "" }) {
		return cli.UsageError(errors.New("--repo names a chart repository, and no --chart is in it"))
	}
	for _, ref := range refs {
		chart, err := fetchChart(ctx, a, o.registry, ref)
		if err != nil {
			return commandError(err)
		}
		o.build.Charts = append(o.build.Charts, chart)
	}
	o.build.Images = func(ctx context.Context, dir string) ([]packs.Image, error) { return deployedImages(ctx, a, dir) }
	folder, err := packs.Build(ctx, o.build)
	if refused, ok := errors.AsType[*packs.Refused](err); ok {
		sayProblems(a, refused.Problems)
		a.Say("error: the pack would have errors and was not written")
		return cli.Silent(cli.ExitFindings)
	}
	if err != nil {
		return commandError(err)
	}
	if o.push {
		a.Say("made %s", printable.Line(folder))
		return pushOne(ctx, a, pushFlags{registry: o.registry, push: packs.PushOptions{Dir: folder}})
	}
	if pack, err := packs.OpenDir(folder); err == nil {
		warnProblems(a, pack.Lint())
	}
	fmt.Fprintln(a.Stdout, printable.Line(folder))
	return nil
}

// deployedImages returns the images that the pack in a folder deploys or lists for Artifact Hub, and
// all that its texts name if it cannot be rendered.
func deployedImages(ctx context.Context, a *cli.App, dir string) ([]packs.Image, error) {
	images, err := imagesOf(ctx, a, dir)
	deployed := slices.DeleteFunc(slices.Clone(images), func(i packs.Image) bool {
		return i.From&(packs.Rendered|packs.Annotated) == 0
	})
	if err != nil || len(deployed) == 0 {
		return images, err
	}
	return deployed, nil
}

// fetchChart reads a chart from a file, or from the server that ref names.
func fetchChart(ctx context.Context, a *cli.App, o registryOptions, ref packs.ChartRef) (packs.Chart, error) {
	if ref.Path != "" {
		return packs.ReadChart(ref.Path)
	}
	client, err := chartClient(a, o, ref.Server)
	if err != nil {
		return packs.Chart{}, err
	}
	if ref.Repo != "" {
		server := ref.Server
		if ref, err = client.FindChart(ctx, ref); err != nil {
			return packs.Chart{}, err
		}
		if ref.Server != server {
			if client, err = chartClient(a, o, ref.Server); err != nil {
				return packs.Chart{}, err
			}
		}
	}
	return client.FetchChart(ctx, ref)
}

// chartClient returns the client for a server of charts.
func chartClient(a *cli.App, o registryOptions, server string) (*packs.Client, error) {
	if !sameHost(o.server, server) { // -r may say that it speaks plain HTTP
		o.server = server
	}
	o.base = ""
	return packClient(a, o)
}

// sameHost reports whether two texts name the same host and port, with any scheme.
func sameHost(a, b string) bool {
	left, _, errLeft := packs.ParseServer(a)
	right, _, errRight := packs.ParseServer(b)
	return errLeft == nil && errRight == nil && left == right
}
