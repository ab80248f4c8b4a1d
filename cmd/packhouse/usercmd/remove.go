package usercmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
)

// removeOptions are the flags and the argument of "user remove".
type removeOptions struct {
	options
	missingOK bool
}

func newRemove(a *cli.App) *cobra.Command {
	o := &removeOptions{options: options{App: a}}
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
			return o.run(cmd)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.missingOK, "ignore-not-found", false, "succeed if the user does not exist")
	return cmd
}

func (o *removeOptions) run(cmd *cobra.Command) error {
	return o.apply(cmd, deployment.Change{
		Edit: func(setup.Secret) answer.Edit { return answer.RemoveUser(o.name) },
		Decide: func(in *installation.Installed, _ *deployment.Change, _ bool) (string, error) {
			if o.missingOK && !in.Has(o.name) {
				return fmt.Sprintf("user %s does not exist", o.name), nil
			}
			_, err := knownUser(in, o.name)
			return "", err
		},
	})
}
