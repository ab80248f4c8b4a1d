// Package usercmd has the commands below "packhouse user".
package usercmd

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// New returns the commands that manage users.
func New(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Add, change, remove and list users",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAdd(a), newPasswd(a), newRole(a), newRemove(a), newList(a))
	return cmd
}

func hasUser(installed *installation.Installed, name string) bool {
	return slices.ContainsFunc(installed.Users, func(u setup.User) bool { return u.Name == name })
}

// knownUser returns an installed user, or an error if there is no user of that name.
func knownUser(installed *installation.Installed, name string) (setup.User, error) {
	for _, u := range installed.Users {
		if u.Name == name {
			return u, nil
		}
	}
	return setup.User{}, cli.WithHint(fmt.Errorf("no user %q", name), "packhouse user list shows the users")
}
