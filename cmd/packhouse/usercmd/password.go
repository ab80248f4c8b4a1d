package usercmd

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
	"packhouse/trust"
	"packhouse/tui/echo"
)

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
			cli.WithHint(fmt.Errorf("%s%w", source, err), "choose a password of 8 to 72 characters that only you know"),
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
