package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/setup"
)

// setupOptions are the flags of setup that say how it goes about its work. Those that answer a question are in setupFlags.
type setupOptions struct {
	dir           string
	yes           bool
	answers       string
	dryRun        bool
	json          bool
	noStart       bool
	serve         bool
	rollback      bool
	passwordStdin bool
}

// answerFlag is a flag that answers a question of setup.Questions.
type answerFlag struct {
	name  string
	value string // what stands behind it in the help; empty: it takes no value
	many  bool   // may be repeated
	help  string
}

// answerFlags lists them in the order of the questions. A test holds it against setup.Questions.
var answerFlags = []answerFlag{
	{"hostname", "NAME", false, "name or address that clients use"},
	{"san", "NAME_OR_IP", true, "further name or address of the certificate"},
	{"no-san", "NAME_OR_IP", true, "name or address to take out of the certificate"},
	{"addr", "HOST:PORT", false, "address to listen at (default :443 where it can be bound, else :5000)"},
	{"public-url", "URL", false, "what clients use where it differs from host name and port"},
	{"tls", "MODE", false, "private-ca, self-signed, files or off (default private-ca)"},
	{"tls-cert", "FILE", false, "certificate and chain, with --tls files"},
	{"tls-key", "FILE", false, "private key, with --tls files"},
	{"insecure", "", false, "confirm passwords over plain HTTP beyond this machine"},
	{"key-type", "TYPE", false, "ecdsa-p256, rsa-2048 or rsa-4096 (default ecdsa-p256)"},
	{"cert-days", "N", false, "life of the certificate in days"},
	{"subject", "C=,ST=,L=,O=,OU=", false, "further fields of the certificate's subject"},
	{"rotate-cert", "", false, "make a new certificate"},
	{"new-key", "", false, "with a new key"},
	{"new-ca", "", false, "and a new CA"},
	{"admin", "NAME", false, "user who may do everything (default admin)"},
	{"user", "NAME[:ROLE]", true, "user to add or change; reader, writer or admin (default reader)"},
	{"remove-user", "NAME", true, "user to take away"},
	{"password-file", "NAME=FILE", true, "file with the password of a user"},
	{"storage", "DRIVER", false, "filesystem or inmemory (default filesystem)"},
	{"storage-path", "DIR", false, "directory of the content"},
	{"realm", "TEXT", false, "what browsers show when they ask for the password"},
	{"log-level", "LEVEL", false, "error, warn, info or debug"},
}

// newSetup installs a registry or changes an installation.
func newSetup(a *app) *cobra.Command {
	var o setupOptions
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Install a registry or change an installation: the wizard, or --yes without questions",
		Long: `setup asks about host name, TLS, users and storage, writes the files of an installation,
starts the server on them and proves that it works. With --yes it asks nothing: what no flag,
variable (PACKHOUSE_HOSTNAME and so on) or answers file says is kept as it is, detected, or has a default.

Passwords come from --password-file, --password-stdin or PACKHOUSE_PASSWORD_<NAME>. Those that
nobody gave are generated; without a terminal they are written to initial-passwords.

It exits with 0 when all is well, 1 when it failed and nothing changed, 2 when answers are missing or
wrong, 3 when --dry-run found changes, 4 when a check failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runSetup(cmd, &o) },
	}
	a.addDir(cmd, &o.dir)
	flags := cmd.Flags()
	flags.BoolVar(&o.yes, "yes", false, "ask nothing")
	flags.StringVar(&o.answers, "answers", "", "YAML `FILE` with answers: the flags without their dashes")
	flags.BoolVar(&o.dryRun, "dry-run", false, "say what would change and write nothing")
	flags.BoolVar(&o.json, "json", false, "print the result as JSON")
	flags.BoolVar(&o.noStart, "no-start", false, "write the files and start nothing")
	flags.BoolVar(&o.serve, "serve", false, "keep the server running afterwards")
	flags.BoolVar(&o.rollback, "rollback-on-failure", false, "put the old files back when a check fails")
	flags.BoolVar(&o.passwordStdin, "password-stdin", false, "read lines NAME:PASSWORD from standard input")
	for _, f := range answerFlags {
		f.add(flags)
	}
	return cmd
}

func (f answerFlag) add(flags *pflag.FlagSet) {
	help := f.help
	if f.value != "" {
		help = "`" + f.value + "` " + help
	}
	switch {
	case f.value == "":
		flags.Bool(f.name, false, f.help)
	case f.many:
		flags.StringArray(f.name, nil, help)
	default:
		flags.String(f.name, "", help)
	}
}

// answersOf collects the flags that were given.
func answersOf(flags *pflag.FlagSet) setup.Values {
	values := setup.Values{}
	for _, f := range answerFlags {
		flag := flags.Lookup(f.name)
		if flag == nil || !flag.Changed {
			continue
		}
		if f.many {
			values[f.name], _ = flags.GetStringArray(f.name) // the type is ours
		} else {
			values[f.name] = []string{flag.Value.String()}
		}
	}
	return values
}

// runSetup decides how somebody can be asked, and goes.
func (a *app) runSetup(cmd *cobra.Command, o *setupOptions) error {
	if o.serve && o.noStart {
		return usageError(fmt.Errorf("--serve and --no-start exclude each other"))
	}
	if o.dir == "" {
		o.dir = a.defaultDir()
	}
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	o.dir = dir
	unasked := o.yes || o.dryRun || o.json
	if !unasked && !a.interactive() {
		return usageError(withHint(fmt.Errorf("there is no terminal to ask on"), "packhouse setup --yes asks nothing"))
	}
	s, err := a.newSetupRun(cmd.Context(), cmd.Flags(), o)
	if err != nil {
		return err
	}
	if unasked {
		return s.unasked(cmd.Context())
	}
	return s.wizard(cmd.Context())
}

// setupRun is one run of setup: what was found and what was said.
type setupRun struct {
	*app
	o         *setupOptions
	machine   *setup.Machine
	installed *setup.Installed
	input     setup.Input
}

func (a *app) newSetupRun(ctx context.Context, flags *pflag.FlagSet, o *setupOptions) (*setupRun, error) {
	s := &setupRun{app: a, o: o, input: setup.Input{Flags: answersOf(flags), Env: a.env}}
	if o.passwordStdin {
		s.input.PasswordLines = a.stdin
	}
	if o.answers != "" {
		data, err := os.ReadFile(o.answers)
		if err != nil {
			return nil, usageError(fmt.Errorf("read answers: %w", err))
		}
		if s.input.File, err = setup.ParseAnswers(o.answers, data); err != nil {
			return nil, usageError(err)
		}
	}
	s.machine = setup.Detect(ctx, setup.ThisMachine())
	var err error
	if s.installed, err = setup.Load(o.dir); err != nil {
		return nil, err
	}
	return s, nil
}
