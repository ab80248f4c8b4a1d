package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/setup/plan"
)

// turn is the next step after the review.
type turn int

const (
	over turn = iota
	back
	anew
)

// review prints the changes, and applies them after confirmation.
func (l *lines) review(planner func(ctx context.Context) (*plan.Plan, error)) (turn, error) {
	m := l.m
	var err error
	l.say("")
	if m.plan, err = planner(l.ctx); err != nil {
		if l.ctx.Err() != nil {
			return over, l.ctx.Err()
		}
		l.mistake("%s", inWords(err))
		return l.choose("Type back to change answers, or quit: ")
	}
	if !m.plan.Pending() {
		l.say("Nothing has to be changed in %s.", m.plan.Dir)
		return l.prove()
	}
	l.say("This would be changed in %s:", m.plan.Dir)
	for _, f := range m.plan.Findings {
		l.finding(f)
	}
	for _, c := range m.plan.Ordered() {
		if c.Kind == setup.Keep {
			continue
		}
		l.say("%s %s", c.Kind, shortPath(m.plan.Dir, c.Path))
		for _, meaning := range c.Meaning {
			l.say("  %s", meaning)
		}
		if diff := m.plan.Diff(c.Path); diff != "" && c.Kind == setup.Update {
			l.say("%s", strings.TrimRight(diff, "\n"))
		}
	}
	for _, why := range m.plan.Restart {
		l.say("Note: a running server has to be restarted for %s", why)
	}
	prompt := "Type write to write this, or back: "
	if l.asked {
		prompt = "Type write to write this, back to change answers, more for further settings, or quit: "
	}
	next, err := l.choose(prompt)
	if err != nil || next != over || m.outcome.Signal != 0 {
		return next, err
	}
	if !l.write {
		return over, nil
	}
	l.write = false
	if err := l.apply(); err != nil {
		l.mistake("%s", inWords(err))
		return l.choose("Type back to change answers, or quit: ")
	}
	if m.review.back && m.installed != nil && m.installed.ConfigData == nil {
		l.say("Everything is as it was before.")
		return over, nil
	}
	if m.review.back && m.installed.Refused() {
		l.say("The file is as it was before, and the server would not start on it.")
		return over, nil
	}
	return l.prove()
}

// choose hears what is to happen with a plan.
func (l *lines) choose(prompt string) (turn, error) {
	for {
		text, err := l.hear(prompt, false)
		if err != nil {
			return over, err
		}
		switch text {
		case "write":
			if strings.Contains(prompt, "write") {
				l.write = true
				return over, nil
			}
		case "back":
			if !l.asked {
				return over, nil
			}
			return back, nil
		case "more":
			if l.asked {
				l.further = true
				return anew, nil
			}
		case "quit":
			l.say("Nothing was written.")
			return over, nil
		}
		l.mistake("%q is not one of the choices", text)
	}
}

func (l *lines) apply() error {
	m := l.m
	applied, err := m.options.Apply(l.ctx, m.plan, func(verb, path string) {
		m.apply.writing(writingMsg{verb, path})
		l.say("%s", m.apply.doing)
	})
	if err != nil {
		return err
	}
	m.outcome.Stage, m.outcome.Plan, m.outcome.Applied = Applied, m.plan, applied
	m.settle()
	m.kept = nil
	if m.options.Reread != nil {
		if in, err := m.options.Reread(context.WithoutCancel(l.ctx)); err == nil {
			m.installed = in
			m.answers.Rebase(in)
		}
	}
	if m.review.aside() {
		m.outcome.Stage, m.outcome.Plan, m.outcome.Applied, m.outcome.Report = Asked, nil, nil, check.Report{}
	}
	if m.review.back {
		m.passwords, m.given = nil, nil
	}
	m.mended = m.review.mend
	return nil
}

// prove starts the server, unless one runs, and says of every check how it went.
func (l *lines) prove() (turn, error) {
	m := l.m
	if m.outcome.Plan == nil && !m.review.aside() {
		m.outcome.Plan = m.plan
	}
	running, err := m.options.Start(context.WithoutCancel(l.ctx), m.plan)
	if running != nil {
		m.running = running
	}
	if err != nil {
		l.mistake("the server did not start: %v", err)
		return l.offerBack()
	}
	report := m.options.Prove(l.ctx, m.plan, func(e check.Event) {
		if e.Result != nil {
			l.say("%s: %s, %s%s", e.Title, e.Result.Status, e.Result.Seen, strings.ReplaceAll(reason(e.Result), "\n", "\n  "))
			if e.Result.Advice != "" {
				l.say("  advice: %s", strings.ReplaceAll(e.Result.Advice, "\n", "\n  "))
			}
		}
	})
	if l.ctx.Err() != nil {
		return over, l.ctx.Err()
	}
	m.outcome.Report = report
	l.say("%s.", summary(report))
	if m.review.aside() {
		return over, nil
	}
	m.outcome.Stage = Proved
	m.takeCard(cardOf(l.ctx, m.options, m.machine, m.plan))
	if report.Worst() == check.Failed && m.outcome.Applied != nil {
		if next, err := l.offerBack(); err != nil || m.review.back {
			return next, err
		}
	}
	if err := l.passwords(); err != nil {
		return over, err
	}
	return over, l.serve()
}

// offerBack asks whether to go back to the files before a change that did not work.
func (l *lines) offerBack() (turn, error) {
	m := l.m
	if m.options.Rollback == nil || m.outcome.Applied == nil || m.review.aside() {
		return over, nil
	}
	yes, err := l.yes("Go back to the files that were there before? yes or no: ")
	if err != nil || !yes {
		return over, err
	}
	if m.running != nil {
		_ = m.running.Shutdown(context.WithoutCancel(l.ctx)) // the log says how it ended
		m.running = nil
	}
	m.review.back = true
	return l.review(m.options.Rollback)
}

func (l *lines) yes(prompt string) (bool, error) {
	for {
		text, err := l.hear(prompt, false)
		if err != nil {
			return false, err
		}
		switch strings.ToLower(text) {
		case "y", "yes":
			return true, nil
		case "n", "no":
			return false, nil
		}
		l.mistake("yes or no")
	}
}

// passwords shows the generated passwords once, on request.
func (l *lines) passwords() error {
	m := l.m
	if len(m.passwords) == 0 || m.card.looked {
		return nil
	}
	yes, err := l.yes("Passwords were generated. Show them now? Otherwise initial-passwords keeps them. yes or no: ")
	if err != nil || !yes {
		return err
	}
	m.card.looked = true
	for _, p := range m.passwords {
		fmt.Fprintf(l.out, "Password of %s: %s\n", clean(p.User), p.Password.Reveal())
	}
	return nil
}

// serve keeps the server running until the user ends it.
func (l *lines) serve() error {
	m := l.m
	if m.running == nil {
		return nil
	}
	ctx, cancel := signal.NotifyContext(l.ctx, os.Interrupt)
	defer cancel()
	l.say("The server runs at %s. Enter stops it.", m.running.Addr())
	heard := make(chan error, 1)
	go func() {
		_, err := l.hear("", false)
		heard <- err
	}()
	select {
	case <-ctx.Done():
		return nil
	case <-m.running.Done():
		l.say("The server has ended.")
		return nil
	case err := <-heard:
		if errors.Is(err, errNoMore) || errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	}
}
