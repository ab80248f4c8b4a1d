package main

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/trust"
	"packhouse/tui/echo"
)

// newUser returns the commands that manage users.
func newUser(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Add, change, remove and list users",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newUserAdd(a), newUserPasswd(a), newUserRole(a), newUserRemove(a), newUserList(a))
	return cmd
}

// passwordOptions are the flags for the source of a password.
type passwordOptions struct {
	file  string
	stdin bool
}

func (o *passwordOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.file, "password-file", "", "`FILE` with the password")
	cmd.Flags().BoolVar(&o.stdin, "password-stdin", false, "read the password from standard input")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("password-file") && cmd.Flags().Changed("password-stdin") {
			return cli.Usage(cmd, "--password-file and --password-stdin exclude each other")
		}
		return nil
	}
}

func newUserAdd(a *cli.App) *cobra.Command {
	var (
		dir, role       string
		existOK, asJSON bool
		password        passwordOptions
	)
	cmd := &cobra.Command{
		Use:        "add NAME",
		SuggestFor: []string{"create", "new"},
		Short:      "Add a user",
		Long: `Add a user. The password comes from --password-file or --password-stdin. At a terminal, packhouse asks for
it; an empty answer generates one and shows it once. Otherwise packhouse generates a password and saves it
in the file initial-passwords of the installation.

With --exist-ok, a user who already exists keeps the password and gets the role that --role names, so that
scripts can run the command again. The last line of output is "changed" or "unchanged".`,
		Example: `  packhouse user add ci --role writer
  packhouse user add ci --role writer --password-file /run/secrets/ci --exist-ok --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := deployment.ValidUser(args[0], role, "--role"); err != nil {
				return err
			}
			rolesOnly := cmd.Flags().Changed("role")
			_, err := deployment.ApplyChange(cmd.Context(), a, deployment.Change{
				Dir: dir, JSON: asJSON, Flags: cmd.Flags(), Show: a.Interactive() && !asJSON,
				Ask: func() (setup.Secret, error) { return passwordOf(a, args[0], password, true) },
				Edit: func(password setup.Secret) answer.Edit {
					return answer.PutUser(args[0], setup.Role(role), password)
				},
				Decide: func(installed *installation.Installed, c *deployment.Change, before bool) (string, error) {
					switch {
					case !hasUser(installed, args[0]):
						return "", nil
					case !existOK:
						return "", cli.WithHint(fmt.Errorf("user %q already exists", args[0]),
							"packhouse user passwd %[1]s changes the password, packhouse user role %[1]s ROLE the role", args[0])
					case !rolesOnly:
						return fmt.Sprintf("user %s already exists", args[0]), nil
					}
					c.Secret = ""
					if before {
						c.Ask = noPassword
					}
					return "", nil
				},
			})
			return err
		},
	}
	a.AddDir(cmd, &dir)
	cmd.Flags().StringVar(&role, "role", string(setup.Reader), "`ROLE` of the user: reader, writer or admin")
	cmd.Flags().BoolVar(&existOK, "exist-ok", false, "succeed if the user already exists; keep the password")
	deployment.AddJSON(cmd, &asJSON)
	password.add(cmd)
	return cmd
}

func newUserPasswd(a *cli.App) *cobra.Command {
	var (
		dir      string
		asJSON   bool
		password passwordOptions
	)
	cmd := &cobra.Command{
		Use:        "passwd NAME",
		SuggestFor: []string{"password"},
		Short:      "Change the password of a user",
		Long: `Change the password of a user. It comes from --password-file, --password-stdin or the terminal. If the user
already has this password, nothing changes. The last line of output is "changed" or "unchanged".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := deployment.ApplyChange(cmd.Context(), a, deployment.Change{
				Dir: dir, JSON: asJSON, Flags: cmd.Flags(),
				Ask:  func() (setup.Secret, error) { return passwordOf(a, args[0], password, false) },
				Edit: func(password setup.Secret) answer.Edit { return answer.PutUser(args[0], "", password) },
				Decide: func(installed *installation.Installed, c *deployment.Change, before bool) (string, error) {
					user, err := knownUser(installed, args[0])
					if err == nil && !before && user.HasPassword(c.Secret) {
						return fmt.Sprintf("user %s already has this password", args[0]), nil
					}
					return "", err
				},
			})
			return err
		},
	}
	a.AddDir(cmd, &dir)
	deployment.AddJSON(cmd, &asJSON)
	password.add(cmd)
	return cmd
}

func newUserRole(a *cli.App) *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "role NAME ROLE",
		Short: "Change the role of a user: reader, writer or admin",
		Long: `Change the role of a user. If the user already has this role, nothing changes. The last line of output is
"changed" or "unchanged".`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := deployment.ApplyChange(cmd.Context(), a, deployment.Change{
				Dir: dir, JSON: asJSON, Flags: cmd.Flags(),
				Edit: func(setup.Secret) answer.Edit { return answer.PutUser(args[0], setup.Role(args[1]), "") },
				Decide: func(installed *installation.Installed, _ *deployment.Change, _ bool) (string, error) {
					if _, err := knownUser(installed, args[0]); err != nil {
						return "", err
					}
					return "", deployment.ValidUser(args[0], args[1], "ROLE")
				},
			})
			return err
		},
	}
	a.AddDir(cmd, &dir)
	deployment.AddJSON(cmd, &asJSON)
	return cmd
}

func newUserRemove(a *cli.App) *cobra.Command {
	var (
		dir               string
		missingOK, asJSON bool
	)
	cmd := &cobra.Command{
		Use:        "remove NAME",
		Aliases:    []string{"rm"},
		SuggestFor: []string{"delete", "del"},
		Short:      "Remove a user",
		Long: `Remove a user. With --ignore-not-found, a user who does not exist is not an error, so that scripts can run the
command again. The last line of output is "changed" or "unchanged".`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := deployment.ApplyChange(cmd.Context(), a, deployment.Change{
				Dir: dir, JSON: asJSON, Flags: cmd.Flags(),
				Edit: func(setup.Secret) answer.Edit { return answer.RemoveUser(args[0]) },
				Decide: func(installed *installation.Installed, _ *deployment.Change, _ bool) (string, error) {
					if missingOK && !hasUser(installed, args[0]) {
						return fmt.Sprintf("user %s does not exist", args[0]), nil
					}
					_, err := knownUser(installed, args[0])
					return "", err
				},
			})
			return err
		},
	}
	a.AddDir(cmd, &dir)
	cmd.Flags().BoolVar(&missingOK, "ignore-not-found", false, "succeed if the user does not exist")
	deployment.AddJSON(cmd, &asJSON)
	return cmd
}

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

func newUserList(a *cli.App) *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the users and their roles",
		Long: `List the users and their roles. With rules in the configuration, the role of a user who is not in
roles is "none", and the roles that rules give in some repositories follow.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			installed, err := a.Installation(dir)
			if err != nil {
				return err
			}
			for _, d := range installed.Drift {
				if d.Path == installation.HtpasswdFile && d.What == "missing" {
					a.Warn("%s: no such file; %s", filepath.Join(installed.Dir, d.Path), cli.RepairHint(installed.Dir))
				}
			}
			rows := make([]userRow, 0, len(installed.Users))
			for _, u := range installed.Users {
				rows = append(rows, rowOf(installed, u))
			}
			if asJSON {
				return a.PrintJSON(rows)
			}
			table := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
			for _, u := range rows {
				fmt.Fprintf(table, "%s\t%s\n", u.Name, u)
			}
			return table.Flush()
		},
	}
	a.AddDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func hasUser(installed *installation.Installed, name string) bool {
	return slices.ContainsFunc(installed.Users, func(u setup.User) bool { return u.Name == name })
}

// knownUser returns an installed user, or an error if there is none of that name.
func knownUser(installed *installation.Installed, name string) (setup.User, error) {
	for _, u := range installed.Users {
		if u.Name == name {
			return u, nil
		}
	}
	return setup.User{}, cli.WithHint(fmt.Errorf("no user %q", name), "packhouse user list shows the users")
}

// noPassword is used for a user who keeps the password.
func noPassword() (setup.Secret, error) { return "", nil }

// passwordOf returns a user's password from the flags or the terminal. It is empty if generate is set
// and a password is to be generated.
func passwordOf(a *cli.App, name string, o passwordOptions, generate bool) (setup.Secret, error) {
	var (
		password setup.Secret
		source   string // names the flag; empty: the terminal
		err      error
	)
	switch {
	case o.file != "":
		path, err := filepath.Abs(o.file)
		var data []byte
		if err == nil {
			data, err = trust.ReadInput(path, trust.MaxInput)
		}
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		source, password = "--password-file: "+path+": ", setup.Secret(cli.FirstLine(data))
	case o.stdin:
		source = "--password-stdin: "
		if password, err = cli.ReadSecret(a.Stdin); err != nil {
			return "", err
		}
	case a.Interactive():
		if password, err = askPassword(a, name, generate); err != nil || password == "" && generate {
			return "", err
		}
	case generate:
		return "", nil
	default:
		return "", cli.UsageError(errors.New("no password given: use --password-file or --password-stdin"))
	}
	if err := htpasswd.ValidatePassword(name, []byte(password.Reveal())); err != nil {
		return "", cli.UsageError(
			cli.WithHint(fmt.Errorf("%s%w", source, err), "choose a password of 1 to 72 bytes that only you know"),
		)
	}
	return password, nil
}

// askPassword asks for a password twice, without echo.
func askPassword(a *cli.App, name string, generate bool) (setup.Secret, error) {
	prompt := fmt.Sprintf("new password of %s: ", name)
	if generate {
		prompt = fmt.Sprintf("password of %s (empty: generate one): ", name)
	}
	defer echo.Off(int(a.Stdin.Fd()))()
	first, err := cli.ReadPassword(a, prompt)
	if err != nil || first == "" {
		return "", err
	}
	second, err := cli.ReadPassword(a, "repeat the password: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the passwords do not match")
	}
	return first, nil
}
