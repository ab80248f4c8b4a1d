package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/certcmd"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/configcmd"
	"packhouse/cmd/packhouse/packcmd"
	"packhouse/cmd/packhouse/setupcmd"
	"packhouse/cmd/packhouse/storecmd"
	"packhouse/cmd/packhouse/usercmd"
)

// newRoot returns the root command.
func newRoot(a *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "packhouse",
		Short: "A self-hosted pack registry in one binary, with a wizard that sets it up correctly",
		Long: `packhouse is a self-hosted registry for packs, Helm charts and container images.

Without arguments, on a terminal, packhouse opens the wizard, or manages an existing installation.
In scripts, packhouse setup --yes does the same with flags, and packhouse serve runs the server.`,
		Version:       a.Version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	root.SetVersionTemplate("packhouse {{.Version}}\n")
	root.SetOut(a.Stdout) // before helpOn: completion keeps the writer set at that time
	root.AddCommand(
		setupcmd.New(a),
		newServe(a),
		newCheck(a),
		usercmd.New(a),
		certcmd.New(a),
		configcmd.New(a),
		storecmd.New(a),
		packcmd.New(a),
		packcmd.NewRegistry(a),
		newStatus(a),
		newReload(a),
		newRollback(a),
		newUninstall(a),
		newVersion(a),
	)
	addExamples(root)
	cli.HelpOn(root)
	askBack(root)
	root.Flags().BoolP("version", "v", false, "print the version")
	root.Flags().Bool("accessible", false, "ask line by line, for screen readers (default with ACCESSIBLE=1 or TERM=dumb)")
	root.Flags().String("dir", a.DefaultDir(), "`DIR` of the installation")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := setupcmd.NewRun(a, cmd.Flags())
		switch {
		case err != nil:
			return err
		case !s.ByLines() && !a.Interactive():
			return cmd.Help()
		}
		return s.Open(cmd.Context())
	}
	cli.Mind(a, root)
	a.Commands = map[string]bool{}
	cli.LearnCommands(a, root, "")
	return root
}

// askBack makes every command group suggest similar subcommands for an unknown one.
func askBack(cmd *cobra.Command) {
	if !cmd.HasSubCommands() {
		return
	}
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		err := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
		names := cmd.SuggestionsFor(args[0])
		if other, _, bad := cmd.Root().Find(args); len(names) == 0 && bad == nil && other != cmd.Root() { // a command outside of the group, as in "registry serve"
			return cli.UsageError(cli.WithHint(err, "did you mean %s?", other.CommandPath()))
		}
		if len(names) == 0 {
			return cli.UsageError(cli.WithHint(err, "%s --help lists the commands", cmd.CommandPath()))
		}
		for i, name := range names {
			names[i] = cmd.CommandPath() + " " + name
		}
		return cli.UsageError(cli.WithHint(err, "did you mean %s?", strings.Join(names, " or ")))
	}
	for _, sub := range cmd.Commands() {
		askBack(sub)
	}
}

// newVersion prints the version.
func newVersion(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(a.Stdout, "packhouse %s\n", a.Version)
			return nil
		},
	}
}
