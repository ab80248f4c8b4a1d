package deployment

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
)

// Change is a change to an installation by one command, which is planned and applied as in setup.
type Change struct {
	Dir     string
	Answers answer.Values // of flags that setup has too
	// Edit returns the edit of the answers; password is the result of Ask. Nil: only Answers.
	Edit func(password setup.Secret) answer.Edit
	// Ask returns the password; nil: none. It is called before the lock is acquired, because users may
	// take long to answer.
	Ask    func() (setup.Secret, error)
	Secret setup.Secret // result of Ask
	Decide decision     // nil: apply the edit
	Show   bool         // print generated passwords once instead of writing them to a file
	JSON   bool         // print the result as JSON

	Flags    *pflag.FlagSet    // of the command, which errors name; nil: none
	findings []finding.Finding // about the answers
}

// changeResult is the result of a change, also as JSON.
type changeResult struct {
	Changed       bool     `json:"changed"`
	Files         []string `json:"files"`                   // files written or removed
	Changes       []string `json:"changes"`                 // descriptions of the changes
	PasswordsFile string   `json:"passwordsFile,omitempty"` // path of the file with generated passwords
}

// decision verifies that a change is possible. before is true while the password is not known yet.
// It returns why nothing is to be done, or "" if the change is needed. It may modify c.
type decision func(installed *installation.Installed, c *Change, before bool) (done string, err error)

// ApplyChange makes a change, reloads the running server and prints whether anything changed. It reports
// whether the change was made.
func ApplyChange(ctx context.Context, a *cli.App, c Change) (bool, error) {
	if c.Ask != nil {
		_, done, err := planChange(ctx, a, &c, true, nil)
		if err != nil || done != "" {
			return false, orUnchanged(a, c, done, err)
		}
		if c.Secret, err = c.Ask(); err != nil {
			return false, err
		}
	}
	plan, done, err := planChange(ctx, a, &c, false, func(plan *plan.Plan, lock *apply.Lock) error {
		_, err := apply.Apply(ctx, plan, apply.Options{Lock: lock})
		return err
	})
	if err != nil || done != "" {
		return false, orUnchanged(a, c, done, err)
	}
	return true, finishChange(ctx, a, c, plan)
}

// orUnchanged returns err or, if it is nil, reports why nothing is to be done.
func orUnchanged(a *cli.App, c Change, done string, err error) error {
	if err != nil {
		return err
	}
	return sayUnchanged(a, c.JSON, "%s", done)
}

// planChange decides on a change under the installation's lock. Unless before is true, it plans the
// change and applies it under the same lock. It returns why nothing is to be done, or "".
func planChange(
	ctx context.Context, a *cli.App,
	c *Change,
	before bool,
	apply func(*plan.Plan, *apply.Lock) error,
) (*plan.Plan, string, error) {
	lock, err := a.Hold(ctx, c.Dir)
	if err != nil {
		return nil, "", err
	}
	defer lock.Release()
	installed, err := a.Changeable(lock)
	if err != nil {
		return nil, "", err
	}
	if c.Decide != nil {
		if done, err := c.Decide(installed, c, before); err != nil || done != "" {
			return nil, done, err
		}
	}
	if before {
		return nil, "", nil
	}
	machine := machine.Detect(ctx, machine.ThisMachine())
	// Quick: skip the probes. The running server already uses the address, which does not change.
	input := answer.Input{Flags: c.Answers, Quick: true}
	if c.Edit != nil {
		input.Edits = []answer.Edit{c.Edit(c.Secret)}
	}
	resolved, findings := answer.Resolve(ctx, machine, installed, input)
	if finding.AnyRefused(findings) {
		a.SayFindings(refusals(findings, c.Flags))
		return nil, "", cli.Silent(cli.ExitUsage)
	}
	plan, err := plan.Make(ctx, machine, installed, resolved, plan.Options{
		Now: a.Now(), WritePasswords: !c.Show, HashCost: a.HashCost,
	})
	if err != nil {
		return nil, "", err
	}
	if !plan.Pending() {
		return plan, "nothing to change in " + plan.Dir, nil
	}
	c.findings = findings
	return plan, "", apply(plan, lock)
}

// finishChange reloads the running server after a change and prints the result.
func finishChange(ctx context.Context, a *cli.App, c Change, plan *plan.Plan) error {
	sayMeaning(a, plan)
	a.SayFindings(slices.DeleteFunc(append(c.findings, plan.Findings...), func(f finding.Finding) bool {
		return !slices.Contains([]string{setup.CodeShortLife, setup.CodeUserRules, installation.CodeUnsafe}, f.Code)
	}))
	result := resultOf(plan)
	if len(plan.Passwords) > 0 && !c.Show {
		result.PasswordsFile = filepath.Join(plan.Dir, installation.PasswordsFile)
		a.Say("generated passwords are in %s", result.PasswordsFile)
	}
	_, err := Reload(ctx, a, plan)
	err = NotLoaded(plan.Dir, err)
	if c.JSON {
		return errors.Join(err, a.PrintJSON(result))
	}
	for _, p := range plan.Passwords {
		if c.Show {
			fmt.Fprintf(a.Stdout, "password of %s, shown once: %s\n", p.User, p.Password.Reveal())
		}
	}
	fmt.Fprintln(a.Stdout, "changed")
	return err
}

// sayUnchanged reports on standard error why there is nothing to do, and prints that nothing changed.
func sayUnchanged(a *cli.App, asJSON bool, format string, args ...any) error {
	a.Say(format, args...)
	if asJSON {
		return a.PrintJSON(changeResult{Files: []string{}, Changes: []string{}})
	}
	fmt.Fprintln(a.Stdout, "unchanged")
	return nil
}

// resultOf returns the result of applying a plan.
func resultOf(plan *plan.Plan) changeResult {
	r := changeResult{Changed: true, Files: []string{}, Changes: []string{}}
	for _, c := range plan.Ordered() {
		if c.Kind != setup.Keep {
			r.Files = append(r.Files, c.Path)
			r.Changes = append(r.Changes, c.Meaning...)
		}
	}
	return r
}

// sayMeaning prints what changed in each file.
func sayMeaning(a *cli.App, plan *plan.Plan) {
	for _, c := range plan.Ordered() {
		if c.Kind != setup.Keep && len(c.Meaning) > 0 {
			a.Say("%s: %s", c.Path, strings.Join(c.Meaning, "; "))
		}
	}
}

// configOf returns the path of the configuration that a plan writes.
func configOf(plan *plan.Plan) string { return filepath.Join(plan.Dir, installation.ConfigFile) }

// AddJSON adds the flag that prints the result of a change as JSON.
func AddJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print the result as JSON: changed, files, changes")
}
