package usercmd

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
)

// removeOptions are the flags and the argument of "user remove".
type removeOptions struct {
	*cli.App
	dir, name       string
	missingOK, json bool
}

func newRemove(a *cli.App) *cobra.Command {
	o := &removeOptions{App: a}
	cmd := &cobra.Command{
		Use:        "remove NAME",
		Aliases:    []string{"rm"},
		SuggestFor: []string{"delete", "del"},
		Short:      "Remove a user",
		Long: `Remove a user. With --ignore-not-found, a user who does not exist is not an error, so that scripts can run the
command again. The last line of output is "changed" or "unchanged".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context(), cmd.Flags())
		},
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.missingOK, "ignore-not-found", false, "succeed if the user does not exist")
	deployment.AddJSON(cmd, &o.json)
	return cmd
}

func (o *removeOptions) run(ctx context.Context, flags *pflag.FlagSet) error {
	_, err := deployment.ApplyChange(ctx, o.App, deployment.Change{
		Dir: o.dir, JSON: o.json, Flags: flags,
		Edit: func(setup.Secret) answer.Edit { return answer.RemoveUser(o.name) },
		Decide: func(in *installation.Installed, _ *deployment.Change, _ bool) (string, error) {
			if o.missingOK && !hasUser(in, o.name) {
				return fmt.Sprintf("user %s does not exist", o.name), nil
			}
			_, err := knownUser(in, o.name)
			return "", err
		},
	})
	return err
}
