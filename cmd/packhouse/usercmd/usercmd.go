// Package usercmd has the commands below "packhouse user".
package usercmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// New returns the commands that manage users.
func New(a *cli.App) *cobra.Command {
	return cli.Group("user", "Add, change, remove and list users",
		newAdd(a), newPasswd(a), newRole(a), newRemove(a), newList(a))
}

// options are the flags and the argument of the commands that change a user.
type options struct {
	*cli.App
	dir, name string
	json      bool
}

// add adds the flags.
func (o *options) add(cmd *cobra.Command) {
	o.AddDir(cmd, &o.dir)
	deployment.AddJSON(cmd, &o.json)
}

// apply makes a change of the user.
func (o *options) apply(cmd *cobra.Command, c deployment.Change) error {
	c.Dir, c.JSON, c.Flags = o.dir, o.json, cmd.Flags()
	_, err := deployment.ApplyChange(cmd.Context(), o.App, c)
	return err
}

// knownUser returns an installed user, or an error if there is no user of that name.
func knownUser(in *installation.Installed, name string) (*setup.User, error) {
	if user := in.User(name); user != nil {
		return user, nil
	}
	return nil, cli.WithHint(fmt.Errorf("no user %q", name), "packhouse user list shows the users")
}
