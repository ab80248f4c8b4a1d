package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"packhouse/server/admin"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
)

// arguments are the arguments of user commands for which setup has flags.
var arguments = map[string]string{"--user": "NAME", "--remove-user": "NAME"}

// refusals returns the findings that refuse a change, with the flags and arguments of the command that makes it: flags are
// those of that command. Warnings are left out, because the command changes nothing that they are about.
func refusals(findings []setup.Finding, flags *pflag.FlagSet) []setup.Finding {
	var refused []setup.Finding
	for _, f := range findings {
		if f.Severity != setup.Refused {
			continue
		}
		if flags == nil || flags.Lookup(strings.TrimPrefix(f.Flag, "--")) == nil {
			f.Flag = arguments[f.Flag]
		}
		refused = append(refused, f)
	}
	return refused
}

// validUser validates the name and the role of a user command. roleIn is the flag or argument that holds the role.
func validUser(name, role, roleIn string) error {
	if err := htpasswd.ValidateName(name); err != nil {
		return usageError(fmt.Errorf("NAME: %w", err))
	}
	if !slices.Contains(setup.Roles(), setup.Role(role)) {
		return usageError(withHint(fmt.Errorf("%s: %q is not a role", roleIn, role), "use reader, writer or admin"))
	}
	return nil
}

// afterChange gives an error that follows a change exit code 4, because code 1 means that nothing changed.
func afterChange(err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*exitError](err); ok && known.code != exitFailed {
		return err
	}
	return &exitError{exitFindings, err}
}

// notLoaded explains that files were changed and the running server did not load them.
func notLoaded(dir string, err error) error {
	if err == nil {
		return nil
	}
	remedy := "packhouse reload --dir " + setup.Shell(dir)
	if errors.Is(err, admin.ErrUntrusted) {
		remedy = untrustedRemedy(err) + "; then run " + remedy
	}
	return afterChange(withHint(fmt.Errorf("the files are changed, but the running server has not loaded them: %w", err), "%s", remedy))
}
