package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
)

// change is a change to an installation by one command: a few answers that are planned and applied
// as in setup.
type change struct {
	dir       string
	answers   answer.Values
	user      string                 // whose password ask returns
	ask       func() ([]byte, error) // returns the password, called before the lock is acquired because users may take long to answer; nil: none
	secret    []byte                 // result of ask
	findings  []finding.Finding      // about the answers
	decide    decision               // nil: apply the answers
	passwords io.Reader              // lines NAME:PASSWORD; nil: none
	show      bool                   // print generated passwords once instead of writing them to a file
	json      bool                   // print the result as JSON

	flags *pflag.FlagSet // of the command, which errors name; nil: none
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
type decision func(installed *installation.Installed, c *change, before bool) (done string, err error)

// apply makes a change, reloads the running server and prints whether anything changed. It reports
// whether the change was made.
func (a *app) apply(ctx context.Context, c change) (bool, error) {
	if c.ask != nil {
		_, done, err := a.plan(ctx, &c, true, nil)
		if err != nil || done != "" {
			return false, a.orUnchanged(c, done, err)
		}
		if c.secret, err = c.ask(); err != nil {
			return false, err
		}
		c.passwords = passwordLine(c.user, c.secret)
	}
	plan, done, err := a.plan(ctx, &c, false, func(plan *plan.Plan, lock *apply.Lock) error {
		_, err := apply.Apply(ctx, plan, apply.Options{Lock: lock})
		return err
	})
	if err != nil || done != "" {
		return false, a.orUnchanged(c, done, err)
	}
	return true, a.applied(ctx, c, plan)
}

// orUnchanged returns err or, if it is nil, reports why nothing is to be done.
func (a *app) orUnchanged(c change, done string, err error) error {
	if err != nil {
		return err
	}
	return a.unchanged(c.json, "%s", done)
}

// plan decides on a change under the installation's lock. Unless before is true, it plans the
// change and applies it under the same lock. It returns why nothing is to be done, or "".
func (a *app) plan(
	ctx context.Context,
	c *change,
	before bool,
	apply func(*plan.Plan, *apply.Lock) error,
) (*plan.Plan, string, error) {
	lock, err := a.hold(ctx, c.dir)
	if err != nil {
		return nil, "", err
	}
	defer lock.Release()
	installed, err := a.changeable(lock)
	if err != nil {
		return nil, "", err
	}
	if c.decide != nil {
		if done, err := c.decide(installed, c, before); err != nil || done != "" {
			return nil, done, err
		}
	}
	if before {
		return nil, "", nil
	}
	machine := machine.Detect(ctx, machine.ThisMachine())
	// Quick: skip the probes. The running server already uses the address, which does not change.
	resolved, findings := answer.Resolve(
		ctx, machine, installed, answer.Input{Flags: c.answers, PasswordLines: c.passwords, Quick: true},
	)
	if finding.AnyRefused(findings) {
		a.sayFindings(refusals(findings, c.flags))
		return nil, "", silent(exitUsage)
	}
	plan, err := plan.Make(ctx, machine, installed, resolved, plan.Options{
		Now: a.now(), WritePasswords: !c.show, HashCost: a.hashCost,
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

// applied reloads the running server after a change and prints the result.
func (a *app) applied(ctx context.Context, c change, plan *plan.Plan) error {
	a.sayMeaning(plan)
	a.sayFindings(slices.DeleteFunc(append(c.findings, plan.Findings...), func(f finding.Finding) bool {
		return f.Code != setup.CodeShortLife && f.Code != installation.CodeUnsafe
	}))
	result := resultOf(plan)
	if len(plan.Passwords) > 0 && !c.show {
		result.PasswordsFile = filepath.Join(plan.Dir, installation.PasswordsFile)
		a.say("generated passwords are in %s", result.PasswordsFile)
	}
	_, err := a.reload(ctx, plan)
	err = notLoaded(plan.Dir, err)
	if c.json {
		return errors.Join(err, a.printJSON(result))
	}
	for _, p := range plan.Passwords {
		if c.show {
			fmt.Fprintf(a.stdout, "password of %s, shown once: %s\n", p.User, p.Password.Reveal())
		}
	}
	fmt.Fprintln(a.stdout, "changed")
	return err
}

// unchanged reports on standard error why there is nothing to do, and prints that nothing changed.
func (a *app) unchanged(asJSON bool, format string, args ...any) error {
	a.say(format, args...)
	if asJSON {
		return a.printJSON(changeResult{Files: []string{}, Changes: []string{}})
	}
	fmt.Fprintln(a.stdout, "unchanged")
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
func (a *app) sayMeaning(plan *plan.Plan) {
	for _, c := range plan.Ordered() {
		if c.Kind != setup.Keep && len(c.Meaning) > 0 {
			a.say("%s: %s", c.Path, strings.Join(c.Meaning, "; "))
		}
	}
}

// configOf returns the path of the configuration that a plan writes.
func configOf(plan *plan.Plan) string { return filepath.Join(plan.Dir, installation.ConfigFile) }
