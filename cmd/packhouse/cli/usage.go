package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/spelling"
	"packhouse/trust"
)

// Usage returns an error about wrong usage of a command, with the command's usage as a hint.
func Usage(cmd *cobra.Command, format string, args ...any) error {
	hint := strings.TrimSuffix(cmd.UseLine(), " [flags]")
	if hint == cmd.CommandPath() {
		hint = cmd.CommandPath() + " --help shows its usage"
	} else {
		hint += "; " + cmd.CommandPath() + " --help shows more"
	}
	return UsageError(WithHint(fmt.Errorf(format, args...), "%s", hint))
}

// mindUsage makes a command and all below it report wrong flags and arguments as [Usage] does: cobra
// and pflag describe them in terms of their own API.
func mindUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(wrongFlag)
	if check := cmd.Args; check != nil && !cmd.HasSubCommands() {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if check(cmd, args) == nil {
				return nil
			}
			return wrongArguments(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		mindUsage(sub)
	}
}

// wrongFlag describes an error of pflag about a flag of a command.
func wrongFlag(cmd *cobra.Command, err error) error {
	if given := cmd.Flags().Args(); cmd.HasSubCommands() && len(given) > 0 {
		return cmd.Args(cmd, given) // the flag is probably one of the unknown subcommand
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return unknownFlag(cmd, unknown)
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		flag := missing.GetFlag()
		value, _ := pflag.UnquoteUsage(flag)
		return Usage(cmd, "--%s needs a value: --%s %s", flag.Name, flag.Name, value)
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		flag := invalid.GetFlag()
		if invalid.GetValue() == "" {
			return Usage(cmd, "--%s is empty", flag.Name)
		}
		return Usage(cmd, "--%s: %q %s", flag.Name, invalid.GetValue(), notOfType(flag))
	}
	return Usage(cmd, "%w", err)
}

// unknownFlag suggests the flag that an unknown one resembles.
func unknownFlag(cmd *cobra.Command, unknown *pflag.NotExistError) error {
	if unknown.GetSpecifiedShortnames() != "" {
		return Usage(cmd, "unknown flag -%s", unknown.GetSpecifiedName())
	}
	name := "--" + unknown.GetSpecifiedName()
	if slices.Contains([]string{"--username", "--password"}, name) && cmd.Flags().Lookup("home") != nil {
		return UsageError(WithHint(
			errors.New("packhouse accepts no password on the command line, "+
				"where other users of this machine can read it"),
			"log in first: packhouse registry login SERVER -u NAME --password-stdin < FILE",
		))
	}
	err := Usage(cmd, "unknown flag %s", name)
	if h, ok := errors.AsType[*hinted](err); ok {
		if near := nearFlag(cmd, name); near != "" {
			h.hint = "did you mean " + near + "? " + h.hint
		}
	}
	return err
}

// wrongArguments describes arguments that a command refuses. It never repeats superfluous ones: the
// argument after the name of a user is likely to be a password.
func wrongArguments(cmd *cobra.Command, args []string) error {
	wanted := strings.Fields(strings.TrimSuffix(cmd.Use, " [flags]"))[1:]
	if len(args) <= len(wanted) || strings.Contains(cmd.Use, "...") {
		for _, arg := range args {
			if len(cmd.ValidArgs) > 0 && !slices.Contains(cmd.ValidArgs, arg) {
				return Usage(cmd, "%q must be one of %s", arg, strings.Join(cmd.ValidArgs, ", "))
			}
		}
	}
	err := Usage(cmd, "%s", argumentsOf(cmd))
	if h, ok := errors.AsType[*hinted](err); ok && cmd.Flags().Lookup("password-stdin") != nil {
		h.hint += "; never put a password on the command line, where other users of this machine can read it"
	}
	return err
}

// argumentsOf reports which arguments are missing, or that there are too many.
func argumentsOf(cmd *cobra.Command) string {
	wanted := strings.Fields(strings.TrimSuffix(cmd.Use, " [flags]"))[1:]
	given := len(cmd.Flags().Args())
	needed := slices.DeleteFunc(slices.Clone(wanted), func(name string) bool { return strings.HasPrefix(name, "[") })
	switch {
	case given < len(needed):
		return cmd.CommandPath() + " needs " + strings.Join(needed[given:], " and ")
	case len(wanted) == 0:
		return cmd.CommandPath() + " takes no argument"
	case len(wanted) == 1:
		return fmt.Sprintf("%s takes one argument, not %d", cmd.CommandPath(), given)
	}
	return fmt.Sprintf("%s takes %d arguments, not %d", cmd.CommandPath(), len(wanted), given)
}

// notOfType describes the expected type of a flag's value.
func notOfType(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "bool":
		return "is neither true nor false"
	case "duration":
		return "is not a duration, write it like 90m or 24h"
	case "int", "int64", "uint", "uint64":
		return "is not a whole number"
	}
	return "is not a valid value"
}

// nearFlag returns the flag of a command that resembles an unknown one, or "".
func nearFlag(cmd *cobra.Command, name string) string {
	best, least := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if far := spelling.Distance("--"+f.Name, name); far < least && !f.Hidden {
			best, least = "--"+f.Name, far
		}
	})
	return best
}

// Group returns a command that only has subcommands.
func Group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// Mind makes a command and all below it report wrong usage as packhouse words it, and record that
// their own code is running, after usage errors, and their installation directory.
func Mind(a *App, cmd *cobra.Command) {
	mindUsage(cmd)
	mindStart(a, cmd)
}

func mindStart(a *App, cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.Started = true
			aboutArgs(a, cmd, args)
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		mindStart(a, sub)
	}
}

// HelpOn makes "help" refuse an unknown command, and "completion" an unknown shell.
func HelpOn(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Run = nil
			cmd.RunE = func(cmd *cobra.Command, args []string) error {
				about, rest, err := cmd.Root().Find(args)
				if about == nil || err != nil || len(rest) > 0 {
					return UsageError(
						WithHint(errors.New("there is no such command"), "packhouse --help lists the commands"))
				}
				about.InitDefaultHelpFlag()
				return about.Help()
			}
		case "completion":
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// RemedyOf returns a generic remedy for an error of the operating system, or "".
func RemedyOf(err error) string {
	if fault := trust.Unsafe(err); fault != nil {
		return fault.Fix
	}
	for _, known := range remedies {
		if errors.Is(err, known.err) {
			if errors.Is(known.err, os.ErrPermission) && os.Geteuid() == 0 {
				return "the system refuses this even to root: check the file system (NFS root_squash), " +
					"its attributes (lsattr) and SELinux or AppArmor"
			}
			if file, ok := errors.AsType[*os.PathError](err); ok && errors.Is(known.err, syscall.EROFS) {
				return "the file system is mounted read-only: " + trust.MountWritable(file.Path) + ", or name another place"
			}
			return known.remedy
		}
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Timeout() {
		return "try again; a firewall may be dropping packets"
	}
	return ""
}
