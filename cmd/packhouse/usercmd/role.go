package usercmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
)

// roleOptions are the flags and the arguments of "user role".
type roleOptions struct {
	*cli.App
	dir, name, role string
	json            bool
}

func newRole(a *cli.App) *cobra.Command {
	o := &roleOptions{App: a}
	cmd := &cobra.Command{
		Use:   "role NAME ROLE",
		Short: "Change the role of a user: reader, writer or admin",
		Long: `Change the role of a user. If the user already has this role, nothing changes. The last line of output is
"changed" or "unchanged".`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.role = args[0], args[1]
			return o.run(cmd.Context(), cmd.Flags())
		},
	}
	a.AddDir(cmd, &o.dir)
	deployment.AddJSON(cmd, &o.json)
	return cmd
}

func (o *roleOptions) run(ctx context.Context, flags *pflag.FlagSet) error {
	_, err := deployment.ApplyChange(ctx, o.App, deployment.Change{
		Dir: o.dir, JSON: o.json, Flags: flags,
		Edit: func(setup.Secret) answer.Edit { return answer.PutUser(o.name, setup.Role(o.role), "") },
		Decide: func(in *installation.Installed, _ *deployment.Change, _ bool) (string, error) {
			if _, err := knownUser(in, o.name); err != nil {
				return "", err
			}
			return "", deployment.ValidUser(o.name, o.role, "ROLE")
		},
	})
	return err
}
