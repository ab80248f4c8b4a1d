package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"packhouse/setup/check"
)

// sayCheck prints a finished check: one line, and below a failure its cause and its remedy.
func (a *app) sayCheck(e check.Event) {
	r := e.Result
	if r == nil {
		return
	}
	sign, word := "✓", ""
	switch r.Status {
	case check.Passed:
	case check.Failed:
		sign, word = "✗", "failed: "
	case check.Warning:
		sign, word = "!", "warning: "
	case check.NotProven:
		sign, word = "○", "not proven: "
	}
	a.say("%s %-15s %s%s  %s", sign, r.Title, word, r.Seen, took(r.Took))
	if r.Cause != "" {
		a.say("    cause: %s", strings.ReplaceAll(r.Cause, "\n", "\n           "))
	}
	if r.Remedy != "" {
		a.say("    remedy: %s", r.Remedy)
	}
	if r.Code != "" {
		a.say("    code: %s", r.Code)
	}
	if r.Advice != "" {
		a.say("    %s", strings.ReplaceAll(r.Advice, "\n", "\n    "))
	}
}

// took writes how long something took, for people.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// newCheck proves an installation.
func newCheck(a *app) *cobra.Command {
	var (
		dir    string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "check [CONFIG]",
		Short: "Prove an installation: files, certificate, server, users, a round trip",
		Long: `check looks at the files of an installation and talks to its server as clients do. What cannot be proven,
such as the password of somebody who did not give it, is "not proven". It exits with 4 where a check fails.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := a.checkTarget(cmd.Context(), dir, args)
			if err != nil {
				return err
			}
			say := a.sayCheck
			if asJSON {
				say = nil
			}
			report := check.Run(cmd.Context(), target, say)
			if asJSON {
				if err := a.printJSON(report); err != nil {
					return err
				}
			}
			if worst := report.Worst(); worst == check.Failed || worst == check.Warning {
				return silent(exitFindings)
			}
			return nil
		},
	}
	a.addDir(cmd, &dir)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the results as JSON")
	return cmd
}
