// Package tui is the terminal: the wizard that asks, shows what it is going to do, does it, proves it, and hands over what one needs.
//
//	outcome, err := tui.Run(ctx, tui.Options{In: os.Stdin, Out: os.Stderr, Machine: machine, …})
//	os.Exit(outcome.ExitCode())
//
// It knows how questions look and nothing of what they mean: steps, questions, plan and checks are those of package setup, and whatever is
// done is done by functions in [Options]. It is the only package tree that imports the terminal library.
//
// # What holds at every moment
//
// A frame is never taller or wider than the window. Nothing is written before the review was confirmed, and enter alone never confirms what
// replaces a file. No secret is drawn, but a generated password when somebody asks for it on the card. Every wait can be cancelled, and a
// spinner turns after a fifth of a second. However it ends, by ctrl+c, SIGTERM, SIGHUP or a mistake of its own, the terminal is given back as
// it was. Colour is never alone in telling something. Mouse and focus reports are never switched on: a process that is killed could not
// switch them off again.
//
// # How it is built
//
// A model has a phase (asking, reviewing, applying, checking, the card, the log). Keys go to the phase; work that takes time runs as a job
// beside it, one at a time, and talks through messages. Package field has the models that questions are answered in, layout the arithmetic of
// frames, theme the looks, logview the log, and noquery keeps the library from asking the terminal for its colours.
package tui
