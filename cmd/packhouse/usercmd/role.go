package usercmd

import (
	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
)

// roleOptions are the flags and the arguments of "user role".
type roleOptions struct {
	options
	role string
}

func newRole(a *cli.App) *cobra.Command {
	o := &roleOptions{options: options{App: a}}
	cmd := &cobra.Command{
		Use:   "role NAME ROLE",
		Short: "Change the role of a user: reader, writer or admin",
		Long: `Change the role of a user. If the user already has this role, nothing changes. A lower role is refused
if a rule of the configuration gives the user a higher one in every repository. The last line of output is
"changed" or "unchanged".`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.role = args[0], args[1]
			return o.run(cmd)
		},
	}
	o.add(cmd)
	return cmd
}

func (o *roleOptions) run(cmd *cobra.Command) error {
	return o.apply(cmd, deployment.Change{
		Edit: func(setup.Secret) answer.Edit { return answer.PutUser(o.name, setup.Role(o.role), "") },
		Decide: func(in *installation.Installed, _ *deployment.Change, _ bool) (string, error) {
			if _, err := knownUser(in, o.name); err != nil {
				return "", err
			}
			if err := deployment.ValidUser(o.name, o.role, "ROLE"); err != nil {
				return "", err
			}
			return "", refuseRules(in, o.name, o.role, false)
		},
	})
}
