// Package tui is the terminal interface: a wizard that asks questions, shows the changes, applies
// them, checks the result, and shows the handoff card.
//
//	outcome, err := tui.Run(ctx, tui.Options{Options: session.Options{…}, In: os.Stdin, Out: os.Stderr})
//	os.Exit(outcome.ExitCode())
//
// The package knows how to present questions, not their meaning: steps, questions, plan and checks
// come from the packages below setup, and functions in session.Options do the work. It is the only
// package tree that imports the terminal library.
//
// # Invariants
//
// A frame is never taller or wider than the window. Nothing is written before the review is
// confirmed, and Enter alone never confirms a change that replaces a file. No secret is drawn,
// except a generated password on request. Every wait can be cancelled, and a spinner appears after
// a fifth of a second. The terminal is restored after ctrl+c, SIGTERM, SIGHUP and panics. Color is
// never the only sign of a state. Mouse and focus reports are never enabled, because a process that
// is killed could not disable them.
//
// # Design
//
// Package session has the state: answers, plan, server, outcome. The model routes messages to
// screens, one type and file each, and draws the frame around them. Screens share a ui and do not
// know each other: they move on through the router. Slow work runs as a background job, one at a
// time, whose messages go to the screen that started it. The line mode drives the same session.
// Package field has the input fields, layout computes frames, theme has the styles, logview the
// log, and noquery keeps the library from querying the terminal for its colors.
package tui
