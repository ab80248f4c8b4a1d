package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"packhouse/setup"
)

// change is a small change of an installation: a setup with a few answers, applied at once. It goes through the same plan.
type change struct {
	dir       string
	answers   setup.Values
	passwords io.Reader // lines NAME:PASSWORD; nil: none
	show      bool      // somebody is there: generated passwords are shown once instead of written
}

// apply makes a change and tells the running server about it.
func (a *app) apply(ctx context.Context, c change) error {
	installed, err := a.installation(c.dir)
	if err != nil {
		return err
	}
	machine := setup.Detect(ctx, setup.ThisMachine())
	// The probes are left out: the address is the running server's, and nothing about it changes.
	resolved, findings := setup.Resolve(ctx, machine, installed, setup.Input{Flags: c.answers, PasswordLines: c.passwords, Quick: true})
	if setup.AnyRefused(findings) {
		a.sayFindings(findings)
		return silent(exitUsage)
	}
	plan, err := setup.MakePlan(ctx, machine, installed, resolved, setup.Options{Now: a.now(), WritePasswords: !c.show})
	if err != nil {
		return err
	}
	if !plan.Pending() {
		a.say("nothing to change in %s", plan.Dir)
		return nil
	}
	if _, err := setup.Apply(ctx, plan, setup.ApplyOptions{}); err != nil {
		return err
	}
	a.sayMeaning(plan)
	if c.show {
		for _, p := range plan.Passwords {
			fmt.Fprintf(a.stdout, "password of %s, shown once: %s\n", p.User, p.Password.Reveal())
		}
	} else if len(plan.Passwords) > 0 {
		a.say("generated passwords are in %s", filepath.Join(plan.Dir, setup.PasswordsFile))
	}
	_, err = a.reload(ctx, plan)
	return err
}

// sayMeaning tells in words what was changed.
func (a *app) sayMeaning(plan *setup.Plan) {
	for _, c := range plan.Ordered() {
		if c.Kind != setup.Keep && len(c.Meaning) > 0 {
			a.say("%s: %s", c.Path, strings.Join(c.Meaning, "; "))
		}
	}
}

// configOf is the path of the configuration that a plan writes.
func configOf(plan *setup.Plan) string { return filepath.Join(plan.Dir, setup.ConfigFile) }
