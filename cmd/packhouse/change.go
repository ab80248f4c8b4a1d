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

	"packhouse/setup"
)

// change is a change to an installation by one command: a few answers that are planned and applied as setup does.
type change struct {
	dir       string
	answers   setup.Values
	passwords io.Reader // lines NAME:PASSWORD; nil: none
	show      bool      // print generated passwords once instead of writing them to a file
	json      bool      // print the result as JSON

	flags *pflag.FlagSet // of the command, which errors name; nil: none
}

// changeResult is the result of a change, also as JSON.
type changeResult struct {
	Changed       bool     `json:"changed"`
	Files         []string `json:"files"`                   // that were written or removed
	Changes       []string `json:"changes"`                 // what changed, in words
	PasswordsFile string   `json:"passwordsFile,omitempty"` // holds the generated passwords
}

// apply makes a change, reloads the running server and prints whether anything changed.
func (a *app) apply(ctx context.Context, c change) error {
	installed, err := a.changeable(c.dir)
	if err != nil {
		return err
	}
	machine := setup.Detect(ctx, setup.ThisMachine())
	// Quick: skip the probes. The address belongs to the running server and does not change.
	resolved, findings := setup.Resolve(ctx, machine, installed, setup.Input{Flags: c.answers, PasswordLines: c.passwords, Quick: true})
	if setup.AnyRefused(findings) {
		a.sayFindings(refusals(findings, c.flags))
		return silent(exitUsage)
	}
	plan, err := setup.MakePlan(ctx, machine, installed, resolved, setup.Options{Now: a.now(), WritePasswords: !c.show})
	if err != nil {
		return err
	}
	if !plan.Pending() {
		return a.unchanged(c.json, "nothing to change in %s", plan.Dir)
	}
	if _, err := setup.Apply(ctx, plan, setup.ApplyOptions{}); err != nil {
		return err
	}
	a.sayMeaning(plan)
	a.sayFindings(slices.DeleteFunc(findings, func(f setup.Finding) bool { return f.Code != setup.CodeShortLife }))
	result := resultOf(plan)
	if len(plan.Passwords) > 0 && !c.show {
		result.PasswordsFile = filepath.Join(plan.Dir, setup.PasswordsFile)
		a.say("generated passwords are in %s", result.PasswordsFile)
	}
	_, err = a.reload(ctx, plan)
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
func resultOf(plan *setup.Plan) changeResult {
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
func (a *app) sayMeaning(plan *setup.Plan) {
	for _, c := range plan.Ordered() {
		if c.Kind != setup.Keep && len(c.Meaning) > 0 {
			a.say("%s: %s", c.Path, strings.Join(c.Meaning, "; "))
		}
	}
}

// configOf returns the path of the configuration that a plan writes.
func configOf(plan *setup.Plan) string { return filepath.Join(plan.Dir, setup.ConfigFile) }
