package deployment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/server/admin"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
)

// arguments maps flags of setup to arguments of user commands.
var arguments = map[string]string{"--user": "NAME", "--remove-user": "NAME"}

// refusals returns the findings that refuse a change, rewritten for the command's flags and
// arguments. It omits warnings, because they are about settings that the command does not change.
func refusals(findings []finding.Finding, flags *pflag.FlagSet) []finding.Finding {
	var refused []finding.Finding
	for _, f := range findings {
		if f.Severity != finding.Refused {
			continue
		}
		if flags == nil || flags.Lookup(strings.TrimPrefix(f.Flag, "--")) == nil {
			f.Flag = arguments[f.Flag]
		}
		refused = append(refused, f)
	}
	return refused
}

// ValidUser validates the name and the role for a user command. roleIn is the flag or argument of
// the role.
func ValidUser(name, role, roleIn string) error {
	if err := htpasswd.ValidateName(name); err != nil {
		return cli.UsageError(fmt.Errorf("NAME: %w", err))
	}
	if !slices.Contains(setup.Roles(), setup.Role(role)) {
		return cli.UsageError(
			cli.WithHint(fmt.Errorf("%s: %q is not a role", roleIn, role), "use reader, writer or admin"))
	}
	return nil
}

// AfterChange gives an error that follows a change exit code 4, because code 1 means that nothing
// changed.
func AfterChange(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*cli.ExitError](err); ok && known.Code != cli.ExitFailed {
		return err
	}
	return cli.ExitWith(cli.ExitFindings, err)
}

// NotLoaded returns the error for changed files that the running server did not load.
func NotLoaded(dir string, err error) error {
	if err == nil {
		return nil
	}
	remedy := "packhouse reload --dir " + setup.Shell(dir)
	if errors.Is(err, admin.ErrUntrusted) {
		remedy = UntrustedRemedy(err, remedy) + ", then run " + remedy
	}
	return AfterChange(cli.WithHint(
		fmt.Errorf("the files are changed, but the running server has not loaded them: %w", err), "%s", remedy))
}
