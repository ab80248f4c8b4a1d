package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
	"packhouse/tui/echo"
)

// newUser groups the commands about who may come in.
func newUser(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Add, change, remove and list users",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newUserAdd(a), newUserPasswd(a), newUserRole(a), newUserRemove(a), newUserList(a))
	return cmd
}

// passwordOptions say where a password comes from.
type passwordOptions struct {
	file  string
	stdin bool
}

func (o *passwordOptions) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.file, "password-file", "", "`FILE` with the password")
	cmd.Flags().BoolVar(&o.stdin, "password-stdin", false, "read the password from standard input")
	cmd.MarkFlagsMutuallyExclusive("password-file", "password-stdin")
}

func newUserAdd(a *app) *cobra.Command {
	var (
		dir, role string
		password  passwordOptions
	)
	cmd := &cobra.Command{
		Use:        "add NAME",
		SuggestFor: []string{"create", "new"},
		Short:      "Add a user",
		Long: `add makes a user. The password comes from --password-file or --password-stdin; at a terminal it is asked
for, and an empty answer has one generated and shown once. Otherwise one is generated and written to
initial-passwords in the installation.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if installed, err := a.installation(dir); err != nil {
				return err
			} else if hasUser(installed, args[0]) {
				return withHint(fmt.Errorf("user %q exists", args[0]), "packhouse user passwd %s sets another password, packhouse user role another role", args[0])
			}
			lines, err := a.password(args[0], password, true)
			if err != nil {
				return err
			}
			return a.apply(cmd.Context(), change{
				dir: dir, answers: setup.Values{"user": {args[0] + ":" + role}}, passwords: lines, show: a.interactive(),
			})
		},
	}
	a.addDir(cmd, &dir)
	cmd.Flags().StringVar(&role, "role", string(setup.Reader), "`ROLE` of the user: reader, writer or admin")
	password.add(cmd)
	return cmd
}

func newUserPasswd(a *app) *cobra.Command {
	var (
		dir      string
		password passwordOptions
	)
	cmd := &cobra.Command{
		Use:        "passwd NAME",
		SuggestFor: []string{"password"},
		Short:      "Set another password",
		Args:       cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.knownUser(dir, args[0]); err != nil {
				return err
			}
			lines, err := a.password(args[0], password, false)
			if err != nil {
				return err
			}
			return a.apply(cmd.Context(), change{dir: dir, answers: setup.Values{"user": {args[0]}}, passwords: lines})
		},
	}
	a.addDir(cmd, &dir)
	password.add(cmd)
	return cmd
}

func newUserRole(a *app) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "role NAME ROLE",
		Short: "Give a user another role: reader, writer or admin",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.knownUser(dir, args[0]); err != nil {
				return err
			}
			return a.apply(cmd.Context(), change{dir: dir, answers: setup.Values{"user": {args[0] + ":" + args[1]}}})
		},
	}
	a.addDir(cmd, &dir)
	return cmd
}

func newUserRemove(a *app) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:        "remove NAME",
		Aliases:    []string{"rm"},
		SuggestFor: []string{"delete", "del"},
		Short:      "Remove a user",
		Args:       cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.knownUser(dir, args[0]); err != nil {
				return err
			}
			return a.apply(cmd.Context(), change{dir: dir, answers: setup.Values{"remove-user": {args[0]}}})
		},
	}
	a.addDir(cmd, &dir)
	return cmd
}

// userRow is a user in the JSON of user list.
type userRow struct {
	Name string     `json:"name"`
	Role setup.Role `json:"role"`
}

func newUserList(a *app) *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the users and their roles",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			installed, err := a.installation(dir)
			if err != nil {
				return err
			}
			rows := make([]userRow, 0, len(installed.Users))
			for _, u := range installed.Users {
				rows = append(rows, userRow{u.Name, u.Role})
			}
			if asJSON {
				return a.printJSON(rows)
			}
			table := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
			for _, u := range rows {
				fmt.Fprintf(table, "%s\t%s\n", u.Name, u.Role)
			}
			return table.Flush()
		},
	}
	a.addDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func hasUser(installed *setup.Installed, name string) bool {
	return slices.ContainsFunc(installed.Users, func(u setup.User) bool { return u.Name == name })
}

// knownUser is an error where dir has no such user.
func (a *app) knownUser(dir, name string) error {
	installed, err := a.installation(dir)
	if err != nil {
		return err
	}
	if !hasUser(installed, name) {
		return withHint(fmt.Errorf("no user %q", name), "packhouse user list shows who there is")
	}
	return nil
}

// password returns the password of a user as a line NAME:PASSWORD, or nil where one is to be generated.
func (a *app) password(name string, o passwordOptions, generate bool) (io.Reader, error) {
	var (
		password []byte
		err      error
	)
	switch {
	case o.file != "":
		if password, err = os.ReadFile(o.file); err != nil {
			return nil, fmt.Errorf("read password: %w", err)
		}
		password = firstLine(password)
	case o.stdin:
		line, err := bufio.NewReader(a.stdin).ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read password: %w", err)
		}
		password = firstLine(line)
	case a.interactive():
		if password, err = a.askPassword(name, generate); err != nil {
			return nil, err
		}
		if len(password) == 0 && generate {
			return nil, nil
		}
	case generate:
		return nil, nil
	default:
		return nil, usageError(errors.New("no password was given, use --password-file or --password-stdin"))
	}
	if err := htpasswd.ValidatePassword(name, password); err != nil {
		return nil, usageError(err)
	}
	return strings.NewReader(name + ":" + string(password) + "\n"), nil
}

// firstLine returns a line without its end.
func firstLine(data []byte) []byte {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r"))
}

// askPassword asks twice, without an echo, nor one between the two.
func (a *app) askPassword(name string, generate bool) ([]byte, error) {
	prompt := fmt.Sprintf("new password of %s: ", name)
	if generate {
		prompt = fmt.Sprintf("password of %s (empty: generate one): ", name)
	}
	defer echo.Off(int(a.stdin.Fd()))()
	first, err := a.readPassword(prompt)
	if err != nil || len(first) == 0 {
		return nil, err
	}
	second, err := a.readPassword("once more: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passwords differ")
	}
	return first, nil
}

// readPassword asks without an echo, which is off before the question is seen: whoever answers at once is not shown either.
func (a *app) readPassword(prompt string) ([]byte, error) {
	defer echo.Off(int(a.stdin.Fd()))()
	fmt.Fprint(a.stderr, prompt)
	defer fmt.Fprintln(a.stderr)
	password, err := term.ReadPassword(int(a.stdin.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read password: %w", err)
	}
	return password, nil
}
