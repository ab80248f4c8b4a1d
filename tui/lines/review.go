package lines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/session"
)

// followUp is the next step after the review.
type followUp int

const (
	finished     followUp = iota
	lastQuestion          // ask the last question again
	allQuestions          // ask all questions again
)

// review makes the plan for the session's purpose, prints the changes, and applies them after
// confirmation.
func (l *mode) review() (followUp, error) {
	s := l.session
	var err error
	l.say("")
	if s.Plan, err = s.Planner()(l.ctx); err != nil {
		if l.ctx.Err() != nil {
			return finished, l.ctx.Err()
		}
		l.mistake("%s", session.Words(err))
		_, next, err := l.choose("Enter back to change answers, or quit: ", false)
		return next, err
	}
	if !s.Plan.Pending() {
		l.say("Nothing has to be changed in %s.", s.Plan.Dir)
		return l.prove()
	}
	l.changes()
	prompt := "Enter write to apply these changes, or back: "
	if l.asked {
		prompt = "Enter write to apply these changes, back to change answers, more for advanced settings, or quit: "
	}
	write, next, err := l.choose(prompt, true)
	if err != nil || !write {
		return next, err
	}
	result := s.Applier(func(verb, path string) { l.say("%s", describe.Progress(verb, path)) })(l.ctx)
	if result.Err != nil {
		l.mistake("%s", session.Words(result.Err))
		_, next, err := l.choose("Enter back to change answers, or quit: ", false)
		return next, err
	}
	l.repaired = s.Purpose == session.ForRepair
	switch s.Accept(result) {
	case session.Gone:
		l.say("Everything is as it was before.")
		return finished, nil
	case session.Refused:
		l.say("The file is as it was before, and the server would refuse it.")
		return finished, nil
	case session.Check:
	}
	return l.prove()
}

// changes prints the plan.
func (l *mode) changes() {
	planned := l.session.Plan
	l.say("These changes will be made in %s:", planned.Dir)
	for _, f := range planned.Findings {
		l.finding(f)
	}
	for _, c := range planned.Ordered() {
		if c.Kind == setup.Keep {
			continue
		}
		l.say("%s %s", c.Kind, describe.Path(planned.Dir, c.Path))
		for _, meaning := range c.Meaning {
			l.say("  %s", meaning)
		}
		if diff := planned.Diff(c.Path); diff != "" && c.Kind == setup.Update {
			l.say("%s", strings.TrimRight(diff, "\n"))
		}
	}
	for _, why := range planned.Restart {
		l.say("Note: a running server must be restarted for %s", why)
	}
}

// choose asks what to do with a plan. It reports whether to write it; otherwise it returns what to
// do instead.
func (l *mode) choose(prompt string, writable bool) (bool, followUp, error) {
	for {
		text, err := l.readLine(prompt, false)
		if err != nil {
			return false, finished, err
		}
		switch {
		case text == "write" && writable:
			return true, finished, nil
		case text == "back" && !l.asked:
			return false, finished, nil
		case text == "back":
			return false, lastQuestion, nil
		case text == "more" && l.asked:
			l.advanced = true
			return false, allQuestions, nil
		case text == "quit":
			l.say("Nothing was written.")
			return false, finished, nil
		}
		l.mistake("%q is not one of the choices", text)
	}
}

// prove starts the server, unless it runs, and prints the result of each check.
func (l *mode) prove() (followUp, error) {
	s := l.session
	if s.Outcome.Plan == nil && s.Purpose == session.ForAnswers {
		s.Outcome.Plan = s.Plan
	}
	running, err := s.Starter()(l.ctx, s.Plan)
	s.Started(running, err)
	if err != nil {
		l.mistake("the server did not start: %v", err)
		_, err := l.offerRollback()
		return finished, err
	}
	proof := s.Prover(func(e check.Event) {
		if e.Result != nil {
			why := strings.ReplaceAll(describe.Reason(e.Result), "\n", "\n  ")
			l.say("%s: %s, %s%s", e.Title, e.Result.Status, e.Result.Seen, why)
			if e.Result.Advice != "" {
				l.say("  advice: %s", strings.ReplaceAll(e.Result.Advice, "\n", "\n  "))
			}
		}
	})(l.ctx)
	if l.ctx.Err() != nil {
		return finished, l.ctx.Err()
	}
	s.Proved(proof)
	l.say("%s.", describe.Report(proof.Report))
	if s.Purpose != session.ForAnswers {
		return finished, nil
	}
	if proof.Report.Worst() == check.Failed {
		if rolledBack, err := l.offerRollback(); err != nil || rolledBack {
			return finished, err
		}
	}
	if err := l.passwords(); err != nil {
		return finished, err
	}
	return finished, l.serve()
}

// offerRollback offers to roll back a change that failed, and reports whether the user accepted.
func (l *mode) offerRollback() (bool, error) {
	s := l.session
	if !s.CanRollBack() || s.Purpose != session.ForAnswers {
		return false, nil
	}
	yes, err := l.confirm("Roll back to the previous files? yes or no: ")
	if err != nil || !yes {
		return false, err
	}
	if s.Running != nil {
		_ = s.Running.Shutdown(context.WithoutCancel(l.ctx)) // the log says how it ended
		s.Running = nil
	}
	s.RollBack()
	_, err = l.review()
	return true, err
}

// confirm asks a question until the answer is yes or no.
func (l *mode) confirm(prompt string) (bool, error) {
	for {
		text, err := l.readLine(prompt, false)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(text) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
		l.mistake("enter yes or no")
	}
}

// passwords shows the generated passwords once, on request.
func (l *mode) passwords() error {
	s := l.session
	if len(s.Generated) == 0 || s.Viewed {
		return nil
	}
	yes, err := l.confirm("Passwords were generated. Show them now? Otherwise they are saved in initial-passwords. " +
		"yes or no: ")
	if err != nil || !yes {
		return err
	}
	s.Viewed = true
	for _, p := range s.Generated {
		fmt.Fprintf(l.out, "Password of %s: %s\n", layout.Clean(p.User), p.Password.Reveal())
	}
	return nil
}

// serve keeps the server running until the user ends it.
func (l *mode) serve() error {
	if l.session.Running == nil {
		return nil
	}
	ctx, cancel := signal.NotifyContext(l.ctx, os.Interrupt)
	defer cancel()
	l.say("The server runs at %s. Enter stops it.", l.session.Running.Addr())
	read := make(chan error, 1)
	go func() {
		_, err := l.readLine("", false)
		read <- err
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-l.session.Running.Done():
		l.say("The server has ended.")
		return nil
	case err := <-read:
		if errors.Is(err, ErrInputEnded) || errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
}
