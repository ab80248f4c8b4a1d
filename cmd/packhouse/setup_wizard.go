package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/term"

	"packhouse/setup"
	"packhouse/setup/check"
	"packhouse/tui"
	"packhouse/tui/logview"
)

// logLines is how many lines of the server's log the wizard keeps in view.
const logLines = 500

// wizard sets up with questions, on the terminal.
func (s *setupRun) wizard(ctx context.Context) error {
	var (
		ring    = logview.New(logLines)
		current *proof
	)
	screen, err := s.screen()
	if err != nil {
		return err
	}
	// What is said while the wizard has the screen is shown inside it.
	quiet := &app{stdin: s.stdin, stdout: ring, stderr: ring, env: s.env, now: s.now}
	outcome, err := tui.Run(ctx, tui.Options{
		In:  s.stdin,
		Out: screen,
		Log: ring,
		Now: s.now,
		Begin: func(ctx context.Context) (tui.Beginning, error) {
			if err := s.look(ctx); err != nil {
				return tui.Beginning{}, err
			}
			input := s.input
			input.Quick = true // the wizard probes step by step
			resolved, findings := setup.Resolve(ctx, s.machine, s.installed, input)
			return tui.Beginning{Machine: s.machine, Installed: s.installed, Resolved: resolved, Findings: findings}, nil
		},
		Plan: func(ctx context.Context, resolved setup.Resolved) (*setup.Plan, error) {
			var err error
			if s.installed, err = setup.Load(s.o.dir); err != nil {
				return nil, err
			}
			return setup.MakePlan(ctx, s.machine, s.installed, resolved, setup.Options{Now: s.now()})
		},
		Apply: func(ctx context.Context, plan *setup.Plan, progress func(verb, path string)) (*setup.Applied, error) {
			return setup.Apply(ctx, plan, setup.ApplyOptions{Progress: progress})
		},
		Start: func(ctx context.Context, plan *setup.Plan) (setup.Running, error) {
			proof, err := quiet.newProof(ctx, plan, ring)
			if err != nil {
				return nil, err
			}
			current = proof
			if proof.started == nil {
				return nil, nil
			}
			return proof.started, nil
		},
		Prove: func(ctx context.Context, _ *setup.Plan, report func(check.Event)) check.Report {
			return current.check(ctx, report)
		},
	})
	if outcome.Unseen {
		path, kept := outcome.Plan.KeepPasswords()
		if kept != nil {
			return errors.Join(err, kept)
		}
		s.say("nobody has looked at the generated passwords: they are in %s", path)
		outcome.Card.Password = "in " + path
	}
	if outcome.Stage >= tui.Proved {
		s.showCard(outcome.Card)
	}
	if err != nil {
		return err
	}
	if code := outcome.ExitCode(); code != exitOK {
		return silent(code)
	}
	return nil
}

// screen is the terminal to draw on: results go to stdout, so it is stderr, or the terminal itself where that is redirected.
func (s *setupRun) screen() (*os.File, error) {
	if file, ok := s.stderr.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file, nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, withHint(fmt.Errorf("open the terminal: %w", err), "packhouse setup --yes asks nothing")
	}
	return tty, nil
}
