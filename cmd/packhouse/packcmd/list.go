package packcmd

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/printable"
)

// listFlags are the flags of pack ls.
type listFlags struct {
	registry registryOptions
	name     string
	json     bool
}

func newPackList(a *cli.App) *cobra.Command {
	var o listFlags
	cmd := &cobra.Command{
		Use:     "ls [SERVER]",
		Aliases: []string{"list"},
		Short:   "List the packs of a registry, or the versions of one",
		Long: `List packs with their tags. With --name, list the tags of one pack, each with its digest, its parent
tags, and the message of the push that replaced another version.

If the registry is packhouse, ls also reports whether a version is deprecated, at its end of life or hidden, and why
Palette does not install it; without --name, of the highest version of each pack.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if given := o.registry.server; given != "" && !sameServer(given, args[0]) {
					return cli.UsageError(fmt.Errorf("SERVER is %s, but --registry-server is %s", args[0], given))
				}
				o.registry.server = args[0]
			}
			client, err := packClient(a, o.registry)
			if err != nil {
				return err
			}
			if o.name != "" {
				return listVersions(a, cmd, client, o)
			}
			listed, err := client.List(cmd.Context())
			if err != nil {
				return commandError(err)
			}
			printable.Value(&listed)
			if o.json {
				return a.PrintJSON(listed)
			}
			table := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
			for _, l := range listed {
				fmt.Fprintf(table, "%s\t%s", l.Name, strings.Join(l.Tags, " "))
				if note := noteOf(l.State, l.Problem); note != "" {
					fmt.Fprintf(table, "\t%s: %s", l.Latest, note)
				}
				fmt.Fprintln(table)
			}
			if len(listed) == 0 {
				a.Say("there are no packs")
				a.Hint("push one with packhouse pack push; --base sets another path")
			}
			return table.Flush()
		},
	}
	o.registry.add(cmd)
	cmd.Flags().StringVarP(&o.name, "name", "n", "", "`NAME` of a pack")
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

// sameServer reports whether two texts name the same registry. The vendor's examples name it twice.
func sameServer(a, b string) bool {
	left, plainLeft, err := packs.ParseServer(a)
	if err != nil {
		return false
	}
	right, plainRight, err := packs.ParseServer(b)
	return err == nil && left == right && plainLeft == plainRight
}

func listVersions(a *cli.App, cmd *cobra.Command, client *packs.Client, o listFlags) error {
	versions, err := client.Versions(cmd.Context(), o.name)
	if err != nil {
		return commandError(err)
	}
	printable.Value(&versions)
	if o.json {
		return a.PrintJSON(versions)
	}
	table := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
	for _, v := range versions {
		when, size, note := "-", "-", noteOf(v.State, cmp.Or(v.Problem, v.Message))
		if !v.Created.IsZero() {
			when = v.Created.Local().Format(time.DateTime)
		}
		if v.Problem == "" {
			size = cli.HumanBytes(v.Size)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Tag, v.Digest, size, when, strings.Join(v.ParentTags, " "), note)
	}
	return table.Flush()
}

// noteOf joins the state of a version and another remark, of which each may be empty.
func noteOf(state, remark string) string { return strings.TrimSpace(state + "  " + remark) }

func newPackTag(a *cli.App) *cobra.Command {
	return cli.Group("tag", "Give a pack another tag, or take one from it", newPackTagAdd(a), newPackTagDelete(a))
}

func newPackTagAdd(a *cli.App) *cobra.Command {
	var (
		o     registryOptions
		group string
	)
	cmd := &cobra.Command{
		Use:   "add NAME:TAG LABEL",
		Short: "Give a pack another tag: [GROUP__]LABEL",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := packs.ParseReference(args[0])
			if err != nil {
				return cli.UsageError(commandError(err))
			}
			tag, err := packs.ParseTag(packs.Tag{Group: group, Label: args[1]}.String())
			if err != nil {
				return cli.UsageError(err)
			}
			client, err := packClient(a, o)
			if err != nil {
				return err
			}
			now, before, err := client.AddTag(cmd.Context(), ref, tag)
			if err != nil {
				return commandError(err)
			}
			if before != "" && before != now {
				a.Warn("%s:%s was %s until now", ref.Name, tag, before)
			}
			fmt.Fprintf(a.Stdout, "%s:%s@%s\n", ref.Name, tag, now)
			return nil
		},
	}
	o.add(cmd)
	cmd.Flags().StringVarP(&group, "group", "g", "", "`GROUP` of the tag")
	return cmd
}

func newPackTagDelete(a *cli.App) *cobra.Command {
	var o registryOptions
	cmd := &cobra.Command{
		Use:   "delete NAME:TAG",
		Short: "Remove a tag from a pack",
		Long: `Remove a tag from a pack. Parent tags such as 1.24.x are derived and cannot be removed. The version can
still be pulled by its digest until garbage collection removes it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := packs.ParseReference(args[0])
			if err != nil {
				return cli.UsageError(commandError(err))
			}
			if ref.Tag == "" {
				return cli.UsageError(fmt.Errorf("%q names no tag, write NAME:TAG", args[0]))
			}
			client, err := packClient(a, o)
			if err != nil {
				return err
			}
			if err := client.DeleteTag(cmd.Context(), ref); err != nil {
				return commandError(err)
			}
			a.Say("deleted %s", ref)
			return nil
		},
	}
	o.add(cmd)
	return cmd
}
