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

// passwdOptions are the flags and the argument of "user passwd".
type passwdOptions struct {
	*cli.App
	dir, name string
	json      bool
	password  passwordOptions
}

func newPasswd(a *cli.App) *cobra.Command {
	o := &passwdOptions{App: a}
	cmd := &cobra.Command{
		Use:        "passwd NAME",
		SuggestFor: []string{"password"},
		Short:      "Change the password of a user",
		Long: `Change the password of a user. It comes from --password-file, --password-stdin or the terminal. If the user
already has this password, nothing changes. The last line of output is "changed" or "unchanged".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd.Context(), cmd.Flags())
		},
	}
	a.AddDir(cmd, &o.dir)
	deployment.AddJSON(cmd, &o.json)
	o.password.add(cmd)
	return cmd
}

func (o *passwdOptions) run(ctx context.Context, flags *pflag.FlagSet) error {
	_, err := deployment.ApplyChange(ctx, o.App, deployment.Change{
		Dir: o.dir, JSON: o.json, Flags: flags,
		Ask:  func() (setup.Secret, error) { return passwordOf(o.App, o.name, o.password, false) },
		Edit: func(password setup.Secret) answer.Edit { return answer.PutUser(o.name, "", password) },
		Decide: func(in *installation.Installed, c *deployment.Change, before bool) (string, error) {
			user, err := knownUser(in, o.name)
			if err == nil && !before && user.HasPassword(c.Secret) {
				return fmt.Sprintf("user %s already has this password", o.name), nil
			}
			return "", err
		},
	})
	return err
}
