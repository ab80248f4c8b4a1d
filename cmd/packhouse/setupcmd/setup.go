// Package setupcmd has the command "packhouse setup" and the manager that packhouse opens without a
// command.
package setupcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/cmd/packhouse/certcmd"
	"packhouse/cmd/packhouse/cli"
	"packhouse/cmd/packhouse/deployment"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/trust"
)

// setupOptions control how setup runs.
type setupOptions struct {
	dir       string
	yes       bool
	dryRun    bool
	json      bool
	noStart   bool
	moveCAKey string // file to move the CA's key to; empty: do not move it
	serve     bool
	rollback  bool
	lines     bool // line mode
}

// New returns the command that installs a registry or changes an installation.
func New(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Install a registry or change an installation: the wizard, or --yes without questions",
		Long: `Ask for the host name, TLS, users and storage, write the files of an installation, start the server
and check that it works. With --yes, setup asks nothing: answers come from flags, variables
(PACKHOUSE_HOSTNAME and so on), the answers file, the existing installation, detection and defaults.

Passwords come from --password-file, --password-stdin or PACKHOUSE_PASSWORD_<NAME>. Missing ones
are generated; without a terminal they are written to initial-passwords.

The exit code is 0 if all checks passed, 1 if setup failed and nothing changed, 2 if answers are
missing or invalid, 3 if --dry-run found changes, and 4 if the installation is complete but a check
failed or warned. packhouse check and packhouse status exit with 4 for the same reasons.`,
		Example: setupExamples,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runSetup(cmd.Context(), a, cmd.Flags()) },
	}
	addSetupFlags(a, cmd.Flags())
	cmd.SetUsageFunc(func(cmd *cobra.Command) error {
		setupUsage(cmd.OutOrStdout(), cmd)
		return nil
	})
	return cmd
}

// shortFlags are one-letter flags of setup, as in apt, dnf, make and rsync.
var shortFlags = map[string]string{"yes": "y", "dry-run": "n"}

// addSetupFlags adds the flags of setup's flag list.
func addSetupFlags(a *cli.App, flags *pflag.FlagSet) {
	flags.String("answers", "", "YAML `FILE` with answers: the flags without their dashes")
	for _, f := range question.Flags() {
		switch f.Kind {
		case question.FlagBool:
			flags.BoolP(f.Name, shortFlags[f.Name], false, f.Usage)
			continue
		case question.FlagList:
			flags.StringArray(f.Name, nil, f.Usage)
		case question.FlagText:
			flags.String(f.Name, "", f.Usage)
		}
		flag := flags.Lookup(f.Name)
		flag.Value, flag.DefValue = Argument{flag.Value, f.Arg}, ""
	}
	flags.Lookup("dir").DefValue = a.DefaultDir()
}

// Argument is a flag value whose type in the help is its placeholder, such as FILE.
type Argument struct {
	pflag.Value
	name string
}

// Type implements pflag.Value.
func (a Argument) Type() string { return a.name }

// List returns the values of a repeatable flag, and whether the flag is repeatable.
func (a Argument) List() ([]string, bool) {
	many, ok := a.Value.(pflag.SliceValue)
	if !ok {
		return nil, false
	}
	return many.GetSlice(), true
}

// answersOf returns the values of the given flags.
func answersOf(flags *pflag.FlagSet) answer.Values {
	values := answer.Values{}
	for _, f := range question.Flags() {
		flag := flags.Lookup(f.Name)
		if flag == nil || !flag.Changed {
			continue
		}
		values[f.Name] = []string{flag.Value.String()}
		if given, ok := flag.Value.(Argument); ok {
			if list, many := given.List(); many {
				values[f.Name] = list
			}
		}
	}
	return values
}

// inputOf collects the flags and the answers file.
func inputOf(a *cli.App, flags *pflag.FlagSet) (answer.Input, error) {
	input := answer.Input{Flags: answersOf(flags), Env: a.Env, Program: a.Program()}
	name, _ := flags.GetString("answers") // missing for flags of another command
	if name == "" {
		return input, nil
	}
	data, err := trust.ReadInput(name, trust.MaxInput)
	if err != nil {
		return input, cli.UsageError(fmt.Errorf("read answers: %w", err))
	}
	if input.File, err = answer.ParseFile(name, data); err != nil {
		return input, cli.UsageError(err)
	}
	return input, nil
}

// setupOptionsOf returns the options for the run itself. A flag overrides the answers file.
func setupOptionsOf(a *cli.App, input answer.Input) (setupOptions, error) {
	value := func(name string) string {
		for _, values := range []answer.Values{input.Flags, fileValues(input)} {
			if v := values[name]; len(v) > 0 {
				return v[len(v)-1]
			}
		}
		return ""
	}
	is := func(name string) bool { return value(name) == "true" }
	o := setupOptions{
		dir: value(
			"dir",
		), yes: is("yes"), dryRun: is("dry-run"), json: is("json"), noStart: is("no-start"), serve: is("serve"),
		rollback: is("rollback-on-failure"), lines: is("accessible"), moveCAKey: value("move-ca-key"),
	}
	for _, values := range []answer.Values{input.Flags, fileValues(input)} {
		if v := values["dir"]; len(v) > 0 && v[len(v)-1] == "" { // likely an unset variable in a script
			return o, cli.UsageError(
				cli.WithHint(
					errors.New("--dir is empty"), "name a directory, or leave --dir out: then it is %s",
					a.DefaultDir(),
				),
			)
		}
	}
	if o.dir == "" {
		o.dir = a.DefaultDir()
	}
	if o.dir == "" {
		return o, cli.ErrNoDir()
	}
	if o.serve && o.noStart {
		return o, cli.UsageError(errors.New("--serve and --no-start exclude each other"))
	}
	dir, err := trust.Abs(o.dir)
	if err != nil {
		return o, fmt.Errorf("find directory: %w", err)
	}
	o.dir = dir
	a.About(dir)
	return o, certcmd.VerifyKeyTarget(o.moveCAKey)
}

func fileValues(input answer.Input) answer.Values {
	if input.File == nil {
		return nil
	}
	return input.File.Values
}

// NewRun parses the input of setup.
func NewRun(a *cli.App, flags *pflag.FlagSet) (*Run, error) {
	input, err := inputOf(a, flags)
	if err != nil {
		return nil, err
	}
	o, err := setupOptionsOf(a, input)
	if err != nil {
		return nil, err
	}
	if len(input.Flags["password-stdin"]) > 0 {
		input.PasswordLines = a.Stdin
	}
	return &Run{App: a.WithoutServerVariables(), o: o, input: input}, nil
}

// runSetup runs setup as wizard, in line mode or without questions.
func runSetup(ctx context.Context, a *cli.App, flags *pflag.FlagSet) error {
	s, err := NewRun(a, flags)
	if err != nil {
		return err
	}
	switch {
	case s.o.yes || s.o.dryRun || s.o.json:
		return s.unasked(ctx)
	case s.ByLines():
		return s.lines(ctx)
	case !a.Interactive():
		return cli.UsageError(
			cli.WithHint(errors.New("there is no terminal for questions"), "packhouse setup --yes asks nothing"),
		)
	}
	return s.wizard(ctx)
}

// Run is one run of setup: its input and the detected facts.
type Run struct {
	*cli.App
	o         setupOptions
	input     answer.Input
	machine   *machine.Machine
	installed *installation.Installed
	before    before
	lock      *apply.Lock    // held until the plan is applied; nil: the wizard, which locks when the review is confirmed
	applied   *apply.Applied // nil: nothing applied
	looks     bool           // only displays the installation: does not finish an interrupted run
}

// look detects the machine and loads the installation.
func (s *Run) look(ctx context.Context) error {
	s.machine = machine.Detect(ctx, machine.ThisMachine())
	s.machine.TryStorage, s.machine.ServerOn = deployment.TryStorage, deployment.ServerOn
	var err error
	switch {
	case s.o.dryRun || s.looks:
		s.installed, err = installation.Load(s.o.dir)
	case s.lock != nil:
		s.installed, err = s.lock.Open()
	default:
		s.installed, err = apply.Open(s.o.dir)
	}
	return err
}
