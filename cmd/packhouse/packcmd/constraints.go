package packcmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/printable"
	"packhouse/spelling"
)

func newPackConstraints(a *cli.App) *cobra.Command {
	return cli.Group("constraints", "Check the constraints of packs", newPackConstraintsCheck(a))
}

// constraintFlags are the flags of pack constraints check.
type constraintFlags struct {
	registry   registryOptions
	palette    string
	kubernetes string
	packs      []string
	json       bool
}

// constraintReport is the JSON of pack constraints check for one pack.
type constraintReport struct {
	Name         string         `json:"name"`
	Version      string         `json:"version"`
	Dependencies int            `json:"dependencies"` // compared
	Resources    int            `json:"resources"`    // not compared
	Problems     packs.Findings `json:"problems"`
}

func newPackConstraintsCheck(a *cli.App) *cobra.Command {
	var o constraintFlags
	cmd := &cobra.Command{
		Use:   "check DIR|NAME:TAG...",
		Short: "Check whether packs fit together, and fit a cluster",
		Long: `Compare the dependencies in pack.json of each pack with the other packs named, with those of --pack,
and with the versions of Kubernetes and Palette. Each pack is a folder, an archive (.tar.gz), or a
pack in the registry. Dependencies on packs that are not named count as missing.

--kubernetes names the pack of the distribution and its version; without a name, it is kubernetes.
--palette is compared with dependencies on a pack named palette. Resources depend on values and are
not compared. The exit code is 4 if a constraint does not hold.`,
		Example: `  packhouse pack constraints check ./crossplane-2.3.0 --kubernetes 1.31.4
  packhouse pack constraints check elastic-stack:0.18.2 --kubernetes kubernetes-eks:1.31 --pack elastic-operator:3.1.0`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return checkConstraints(a, cmd, args, o) },
	}
	o.registry.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.kubernetes, "kubernetes", "", "`[NAME:]VERSION` of Kubernetes")
	f.StringVar(&o.palette, "palette", "", "`VERSION` of Palette")
	f.StringArrayVar(&o.packs, "pack", nil, "`NAME:VERSION` of another pack of the profile (repeatable)")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// profile returns the packs that the flags name.
func (o constraintFlags) profile() ([]packs.Neighbour, error) {
	var profile []packs.Neighbour
	if o.kubernetes != "" {
		name, version, ok := strings.Cut(o.kubernetes, ":")
		if !ok {
			name, version = "kubernetes", o.kubernetes
		}
		profile = append(profile, packs.Neighbour{Name: name, Layer: "k8s", Version: version})
	}
	if o.palette != "" {
		profile = append(profile, packs.Neighbour{Name: "palette", Version: o.palette})
	}
	for _, text := range o.packs {
		name, version, ok := strings.Cut(text, ":")
		if !ok || name == "" || version == "" {
			return nil, cli.UsageError(fmt.Errorf("--pack %q must be NAME:VERSION", text))
		}
		profile = append(profile, packs.Neighbour{Name: name, Version: version})
	}
	return profile, nil
}

func checkConstraints(a *cli.App, cmd *cobra.Command, args []string, o constraintFlags) error {
	profile, err := o.profile()
	if err != nil {
		return err
	}
	named := make([]*packs.Metadata, len(args))
	for i, arg := range args {
		pack, err := anyPack(a, cmd, arg, o.registry)
		if err != nil {
			return err
		}
		if named[i] = pack.Metadata; named[i] == nil {
			return cli.WithHint(errors.New("read "+arg+": its pack.json cannot be read"), "packhouse pack lint reports why")
		}
	}
	reports, violated := make([]constraintReport, len(named)), false
	for i, m := range named {
		all := profile
		for j, other := range named {
			if j != i {
				all = append(all, packs.Neighbour{Name: other.Name, Layer: other.Layer, Version: other.Version})
			}
		}
		reports[i] = constraintReport{
			Name: m.Name, Version: m.Version, Problems: append(packs.Findings{}, m.Constraints.Check(all)...),
			Dependencies: len(m.Constraints.Dependencies), Resources: len(m.Constraints.Resources),
		}
		violated = violated || len(reports[i].Problems) > 0
	}
	printable.Value(&reports)
	if o.json {
		err = a.PrintJSON(reports)
	} else {
		printConstraints(a, reports)
	}
	if err == nil && violated {
		return cli.Silent(cli.ExitFindings)
	}
	return err
}

func printConstraints(a *cli.App, reports []constraintReport) {
	for _, r := range reports {
		fmt.Fprintf(a.Stdout, "%s %s: %s, %d unmet\n",
			r.Name, r.Version, spelling.Count(r.Dependencies, "dependency"), len(r.Problems))
		writeProblems(a.Stdout, r.Problems)
		if r.Resources > 0 {
			a.Say("%s: did not compare %s, because of templates in them", r.Name, spelling.Count(r.Resources, "resource"))
		}
	}
}
