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

// passwdOptions are the flags and the argument of "user passwd".
type passwdOptions struct {
	options
	password passwordOptions
}

func newPasswd(a *cli.App) *cobra.Command {
	o := &passwdOptions{options: options{App: a}}
	cmd := &cobra.Command{
		Use:        "passwd NAME",
		SuggestFor: []string{"password"},
		Short:      "Change the password of a user",
		Long: `Change the password of a user. It comes from --password-file, --password-stdin or the terminal. If the user
already has this password, nothing changes. The last line of output is "changed" or "unchanged".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(cmd)
		},
	}
	o.add(cmd)
	o.password.add(cmd)
	return cmd
}

func (o *passwdOptions) run(cmd *cobra.Command) error {
	return o.apply(cmd, deployment.Change{
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
}
