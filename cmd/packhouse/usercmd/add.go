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

// addOptions are the flags and the argument of "user add".
type addOptions struct {
	options
	role     string
	existOK  bool
	rules    bool // the user may get the roles of rules that name it
	password passwordOptions
	hasRole  bool // --role is given
}

func newAdd(a *cli.App) *cobra.Command {
	o := &addOptions{options: options{App: a}}
	cmd := &cobra.Command{
		Use:        "add NAME",
		SuggestFor: []string{"create", "new"},
		Short:      "Add a user",
		Long: `Add a user. The password comes from --password-file or --password-stdin. At a terminal, packhouse asks for
it; an empty answer generates one and shows it once. Otherwise packhouse generates a password and saves it
in the file initial-passwords of the installation.

If rules of the configuration already name the user with a higher role, perhaps because they were written for
a removed user, the command is refused. With --keep-rules, the new user gets these roles too.

With --exist-ok, a user who already exists keeps the password and gets the role that --role names, so that
scripts can run the command again. The last line of output is "changed" or "unchanged".`,
		Example: `  packhouse user add ci --role writer
  packhouse user add ci --role writer --password-file /run/secrets/ci --exist-ok --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.name, o.hasRole = args[0], cmd.Flags().Changed("role")
			if err := deployment.ValidUser(o.name, o.role, "--role"); err != nil {
				return err
			}
			return o.run(cmd)
		},
	}
	o.add(cmd)
	cmd.Flags().StringVar(&o.role, "role", string(setup.Reader), "`ROLE` of the user: reader, writer or admin")
	cmd.Flags().BoolVar(&o.existOK, "exist-ok", false, "succeed if the user already exists; keep the password")
	cmd.Flags().BoolVar(&o.rules, "keep-rules", false,
		"add the user even if rules of the configuration give the name a higher role")
	o.password.add(cmd)
	return cmd
}

func (o *addOptions) run(cmd *cobra.Command) error {
	return o.apply(cmd, deployment.Change{
		Show: o.Interactive() && !o.json,
		Ask:  func() (setup.Secret, error) { return passwordOf(o.App, o.name, o.password, true) },
		Edit: func(password setup.Secret) answer.Edit {
			return answer.PutUser(o.name, setup.Role(o.role), password)
		},
		Decide: o.decide,
	})
}

// decide refuses an existing user, or with --exist-ok changes only the role.
func (o *addOptions) decide(in *installation.Installed, c *deployment.Change, before bool) (string, error) {
	switch {
	case !in.Has(o.name) && o.rules:
		return "", nil
	case !in.Has(o.name):
		return "", refuseRules(in, o.name, o.role, true)
	case !o.existOK:
		return "", cli.WithHint(fmt.Errorf("user %q already exists", o.name),
			"packhouse user passwd %[1]s changes the password, packhouse user role %[1]s ROLE the role", o.name)
	case !o.hasRole:
		return fmt.Sprintf("user %s already exists", o.name), nil
	}
	if err := refuseRules(in, o.name, o.role, false); err != nil {
		return "", err
	}
	c.Secret = "" // the user keeps the password
	if before {
		c.Ask = func() (setup.Secret, error) { return "", nil }
	}
	return "", nil
}
