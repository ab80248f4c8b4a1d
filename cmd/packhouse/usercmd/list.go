package usercmd

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/setup"
	"packhouse/setup/installation"
)

// userRow is a user in the JSON of user list.
type userRow struct {
	Name  string       `json:"name"`
	Role  setup.Role   `json:"role"`            // in every repository: reader, writer, admin or none
	Rules []userAccess `json:"rules,omitempty"` // higher roles in some repositories
}

// userAccess is a rule of the configuration that gives a user a role.
type userAccess struct {
	Repositories string     `json:"repositories"`
	Role         setup.Role `json:"role"`
}

// noRole is the role of a user who only has rights in the repositories that rules name, if any.
const noRole setup.Role = "none"

// rowOf returns what a user may do according to the configuration.
func rowOf(installed *installation.Installed, u setup.User) userRow {
	row := userRow{Name: u.Name, Role: u.Role}
	if installed.Config == nil {
		return row
	}
	everywhere, further := installed.Config.Auth.Htpasswd.Access(u.Name)
	row.Role = cmp.Or(setup.Role(everywhere), noRole)
	for _, rule := range further {
		row.Rules = append(row.Rules, userAccess{rule.Repositories, setup.Role(rule.Role)})
	}
	return row
}

// String returns the rights of a user: "writer", or "reader, writer of team/**".
func (r userRow) String() string {
	rights := []string{string(r.Role)}
	for _, rule := range r.Rules {
		rights = append(rights, fmt.Sprintf("%s of %s", rule.Role, rule.Repositories))
	}
	return strings.Join(rights, ", ")
}

// listOptions are the flags of "user list".
type listOptions struct {
	*cli.App
	dir  string
	json bool
}

func newList(a *cli.App) *cobra.Command {
	o := &listOptions{App: a}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the users and their roles",
		Long: `List the users and their roles. With rules in the configuration, the role of a user who is not in
roles is "none", and the roles that rules give in some repositories follow.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return o.run() },
	}
	a.AddDir(cmd, &o.dir)
	cmd.Flags().BoolVar(&o.json, "json", false, "print JSON")
	return cmd
}

func (o *listOptions) run() error {
	in, err := o.Installation(o.dir)
	if err != nil {
		return err
	}
	for _, d := range in.Drift {
		if d.Path == installation.HtpasswdFile && d.What == "missing" {
			o.Warn("%s: no such file; %s", filepath.Join(in.Dir, d.Path), cli.RepairHint(in.Dir))
		}
	}
	rows := make([]userRow, 0, len(in.Users))
	for _, u := range in.Users {
		rows = append(rows, rowOf(in, u))
	}
	if o.json {
		return o.PrintJSON(rows)
	}
	table := tabwriter.NewWriter(o.Stdout, 0, 8, 2, ' ', 0)
	for _, u := range rows {
		fmt.Fprintf(table, "%s\t%s\n", u.Name, u)
	}
	return table.Flush()
}
