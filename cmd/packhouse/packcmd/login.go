package packcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"packhouse/cmd/packhouse/cli"
	"packhouse/packs"
	"packhouse/packs/clientconfig"
	"packhouse/server/config"
)

// NewRegistry returns the commands for registries to push packs to.
func NewRegistry(a *cli.App) *cobra.Command {
	return cli.Group("registry", "Log in at a registry, and out", newRegistryLogin(a), newRegistryLogout(a))
}

// LoginOptions are the flags of registry login.
type LoginOptions struct {
	registry      registryOptions
	Username      string
	PasswordStdin bool
	asDefault     bool
}

func newRegistryLogin(a *cli.App) *cobra.Command {
	var o LoginOptions
	cmd := &cobra.Command{
		Use:   "login [SERVER]",
		Short: "Log in at a registry",
		Long: `login verifies a user and password at a registry and stores them where docker stores its own: in the credential
helper that its configuration names, else in ~/.docker/config.json. docker, oras and helm are logged in with it.
A registry that asks for no password cannot verify one: login stores it with a warning, as docker does.

The server is host:port, with or without https://; http:// means without TLS. The password is asked for, or comes
from --password-stdin. The scheme, --ca-file and --insecure are remembered for the server and replace what an
earlier login stored about it.`,
		Example: `  packhouse registry login packs.example.com:5000
  echo "$PASSWORD" | packhouse registry login packs.example.com -u ci --password-stdin`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.registry.server = args[0]
			}
			o.registry.naming = "packhouse registry login HOST:PORT"
			return runLogin(cmd.Context(), a, o)
		},
	}
	cmd.Flags().StringVarP(&o.Username, "username", "u", "", "`NAME` of the user")
	cmd.Flags().BoolVar(&o.PasswordStdin, "password-stdin", false, "read the password from standard input")
	cmd.Flags().BoolVarP(&o.asDefault, "default", "d", false, "make this registry the default")
	o.registry.addTrust(cmd)
	return cmd
}

func runLogin(ctx context.Context, a *cli.App, o LoginOptions) error {
	home := homeOf(a, o.registry.home)
	settings, err := home.Load()
	if err != nil {
		return commandError(err)
	}
	connection, err := newConnection(a, o.registry, settings)
	if err != nil {
		return err
	}
	warnInsecure(a, connection)
	user, password, err := AskLogin(a, connection.server, o)
	if err != nil {
		return err
	}
	given := auth.Credential{Username: user, Password: password.Reveal()}
	connection.options.Credential = auth.StaticCredential(connection.server, given)
	client, err := packs.NewClient(connection.options)
	if err != nil {
		return commandError(err)
	}
	asked, err := client.Login(ctx)
	if err != nil {
		return loginError(err, connection.server, user)
	}
	store, err := home.Credentials()
	if err != nil {
		return commandError(err)
	}
	if err := store.Put(ctx, credentials.ServerAddressFromRegistry(connection.server), given); err != nil {
		return helperError("keep the password", err)
	}
	if path := clientconfig.Unencrypted(connection.server); path != "" && !settings.WarnedPlaintext {
		a.Warn("passwords are stored unencrypted in %s: a credential helper (credsStore there) keeps them encrypted", path)
		settings.WarnedPlaintext = true
	}
	settings.Remember(connection.server, connection.remembered())
	if o.asDefault || settings.Default == "" {
		settings.Default = connection.server
	}
	if err := home.Save(settings); err != nil {
		return err
	}
	if asked {
		a.Say("logged in at %s as %s", connection.server, user)
	} else {
		a.Warn("%s asks for no password, so this one was stored without being verified", connection.server)
	}
	if settings.Default != connection.server {
		a.Hint("pack commands use %s by default: name this registry with -r %s, or make it the default with registry login -d",
			settings.Default, connection.server)
	}
	return nil
}

// newConnection is connection without stored settings for the server, which a login replaces.
func newConnection(a *cli.App, o registryOptions, settings *clientconfig.Settings) (connection, error) {
	return connect(a, o, &clientconfig.Settings{Default: settings.Default})
}

// loginError explains a refused login.
func loginError(err error, server, user string) error {
	var f *packs.Failure
	if errors.As(err, &f) && f.Code == packs.CodeNotLoggedIn {
		return cli.WithHint(fmt.Errorf("%s did not accept user %q with this password", server, user),
			"on the server, packhouse user list shows the users and packhouse user passwd sets a password")
	}
	return commandError(err)
}

// helperError explains a failure of docker's credential store. A credential helper is a program
// that reports little about failures.
func helperError(what string, err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok || errors.Is(err, exec.ErrNotFound) {
		return cli.WithHint(fmt.Errorf("%s: docker's credential helper: %w", what, err),
			"credsStore in $DOCKER_CONFIG/config.json, or ~/.docker/config.json, names it: see that it works, or take it out")
	}
	return fmt.Errorf("%s: %w", what, err)
}

// AskLogin returns user and password: from flags and standard input, or by asking on the terminal.
func AskLogin(a *cli.App, server string, o LoginOptions) (user string, password config.Secret, err error) {
	user = o.Username
	atTerminal := term.IsTerminal(int(a.Stdin.Fd())) && a.Getenv("CI") == ""
	if user == "" {
		if !atTerminal || o.PasswordStdin {
			return "", "", cli.UsageError(errors.New("no user was given, use --username"))
		}
		fmt.Fprintf(a.Stderr, "user at %s: ", server)
		line, err := bufio.NewReader(a.Stdin).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", "", fmt.Errorf("read user: %w", err)
		}
		if user = strings.TrimSpace(line); user == "" {
			return "", "", cli.UsageError(errors.New("no user was given"))
		}
	}
	if strings.Contains(user, ":") {
		return "", "", cli.UsageError(fmt.Errorf("the user name %q contains a colon, which is not allowed", user))
	}
	switch {
	case o.PasswordStdin:
		password, err = cli.ReadSecret(a.Stdin)
	case atTerminal:
		password, err = cli.ReadPassword(a, fmt.Sprintf("password of %s: ", user))
	default:
		err = cli.UsageError(errors.New("no password was given, use --password-stdin"))
	}
	if err == nil && password == "" {
		err = cli.UsageError(errors.New("the password is empty"))
	}
	return user, password, err
}

func newRegistryLogout(a *cli.App) *cobra.Command {
	var o registryOptions
	cmd := &cobra.Command{
		Use:   "logout [SERVER]",
		Short: "Forget the user and password of a registry",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				o.server = args[0]
			}
			o.naming = "packhouse registry logout HOST:PORT"
			home := homeOf(a, o.home)
			settings, err := home.Load()
			if err != nil {
				return commandError(err)
			}
			connection, err := connect(a, o, settings)
			if err != nil {
				return err
			}
			store, err := home.Credentials()
			if err != nil {
				return commandError(err)
			}
			address := credentials.ServerAddressFromRegistry(connection.server)
			kept, err := store.Get(cmd.Context(), address)
			if err != nil {
				return helperError("read passwords", err)
			}
			if kept == auth.EmptyCredential {
				a.Say("there was no login at %s", connection.server)
				return nil
			}
			if err := store.Delete(cmd.Context(), address); err != nil {
				return helperError("forget the password", err)
			}
			settings.Forget(connection.server)
			if err := home.Save(settings); err != nil {
				return err
			}
			a.Say("logged out at %s", connection.server)
			if left, err := store.Get(cmd.Context(), address); err == nil && left != auth.EmptyCredential {
				a.Warn("%s still has a password for %s: remove it there", home.VendorFile(), connection.server)
			}
			return nil
		},
	}
	o.addHome(a, cmd)
	return cmd
}
