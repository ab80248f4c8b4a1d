package cli

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/pattern"
	"packhouse/spelling"
	"packhouse/trust"
)

// cobra and pflag report wrong usage in terms of their own API. This file rewrites their errors:
// what is missing or superfluous, and the usage of the command. Superfluous arguments are never
// repeated: the one after a user's name is likely to be a password.

// Patterns of errors of cobra and pflag.
var (
	tooManyOrFew  = pattern.Lazy(`^(?:accepts|requires) .*arg\(s\)`)
	unknownWord   = pattern.Lazy(`^unknown command ".*" for "`)
	noValidWord   = pattern.Lazy(`^invalid argument (".*") for "packhouse`)
	noValidValue  = pattern.Lazy(`^invalid argument (".*") for "(?:-\w, )?--([\w-]+)" flag: `)
	valueMissing  = pattern.Lazy(`^flag needs an argument: (?:--([\w-]+)|'(\w)' in )`)
	unknownFlag   = pattern.Lazy(`^unknown flag: (--[\w-]+)`)
	unknownLetter = pattern.Lazy(`^unknown shorthand flag: '(.)'`)
	tooManyFlags  = pattern.Lazy(`^if any flags in the group \[(.*?)\] are set none`)
	flagsMissing  = pattern.Lazy(`^at least one of the flags in the group \[(.*?)\]`)
)

// WrongUsage rewrites an error of cobra or pflag about a command. It returns an error with an exit
// code unchanged.
func WrongUsage(cmd *cobra.Command, args []string, err error) error {
	if _, ok := errors.AsType[*ExitError](err); ok {
		return err
	}
	if other := unknownCommand(cmd, args); other != nil {
		return other
	}
	text := err.Error()
	hint := strings.TrimSuffix(cmd.UseLine(), " [flags]")
	if hint == cmd.CommandPath() {
		hint = cmd.CommandPath() + " --help shows its usage"
	} else {
		hint += "; " + cmd.CommandPath() + " --help shows more"
	}
	switch {
	case tooManyOrFew().MatchString(text), unknownWord().MatchString(text):
		text = argumentsOf(cmd)
		if cmd.Flags().Lookup("password-stdin") != nil {
			hint += "; never put a password on the command line, where other users of this machine can read it"
		}
	case noValidValue().MatchString(text):
		m := noValidValue().FindStringSubmatch(text)
		text = fmt.Sprintf("--%s: %s %s", m[2], m[1], notOfType(cmd.Flags().Lookup(m[2])))
		if m[1] == `""` {
			text = "--" + m[2] + " is empty"
		}
	case noValidWord().MatchString(text):
		word := noValidWord().FindStringSubmatch(text)[1]
		text = fmt.Sprintf("%s must be one of %s", word, strings.Join(cmd.ValidArgs, ", "))
	case valueMissing().MatchString(text):
		m := valueMissing().FindStringSubmatch(text)
		text = valueOf(cmd, m[1], m[2])
	case unknownFlag().MatchString(text):
		name := unknownFlag().FindStringSubmatch(text)[1]
		text = "unknown flag " + name
		if slices.Contains([]string{"--username", "--password"}, name) && cmd.Flags().Lookup("home") != nil {
			text = "packhouse accepts no password on the command line, where other users of this machine can read it"
			hint = "log in first: packhouse registry login SERVER -u NAME --password-stdin < FILE"
		} else if near := nearFlag(cmd, name); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
	case unknownLetter().MatchString(text):
		text = "unknown flag -" + unknownLetter().FindStringSubmatch(text)[1]
	case tooManyFlags().MatchString(text):
		text = dashed(tooManyFlags().FindStringSubmatch(text)[1], " and ") + " exclude each other"
	case flagsMissing().MatchString(text):
		text = "one of " + dashed(flagsMissing().FindStringSubmatch(text)[1], " and ") + " is needed"
	}
	return UsageError(WithHint(errors.New(text), "%s", hint))
}

// unknownCommand returns the error for the subcommand that args name if the command group cmd does
// not have it, or nil. A flag of the intended subcommand is unknown to the group, which would be
// reported instead.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if !cmd.HasSubCommands() {
		return nil
	}
	group := strings.Fields(cmd.CommandPath())[1:]
	for _, arg := range args {
		switch {
		case strings.HasPrefix(arg, "-"):
			return nil
		case len(group) > 0:
			group = group[1:]
		default:
			return cmd.Args(cmd, []string{arg})
		}
	}
	return nil
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
	if flag == nil {
		return "is not a valid value"
	}
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

// valueOf describes the value that a flag requires.
func valueOf(cmd *cobra.Command, name, letter string) string {
	flag := cmd.Flags().Lookup(name)
	if letter != "" {
		flag = cmd.Flags().ShorthandLookup(letter)
	}
	if flag == nil {
		return "a flag needs a value"
	}
	value, _ := pflag.UnquoteUsage(flag)
	return fmt.Sprintf("--%s needs a value: --%s %s", flag.Name, flag.Name, value)
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

func dashed(names, between string) string {
	list := strings.Fields(names)
	for i := range list {
		list[i] = "--" + list[i]
	}
	return strings.Join(list, between)
}

// MindStart makes every command record that its own code is running, after usage errors, and its
// installation directory.
func MindStart(a *App, cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.Started = true
			aboutArgs(a, cmd, args)
			return run(cmd, args)
		}
	}
	for _, sub := range cmd.Commands() {
		MindStart(a, sub)
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
					return UsageError(WithHint(errors.New("there is no such command"), "packhouse --help lists the commands"))
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
				return "the system refuses this even to root: check the file system (NFS root_squash), its attributes (lsattr) and SELinux or AppArmor"
			}
			return known.remedy
		}
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Timeout() {
		return "try again; a firewall may be dropping packets"
	}
	return ""
}
