package tui

import (
	"context"
	"errors"
	"fmt"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// manage shows the state and runs one task. It reports whether to show the menu again.
func (l *lines) manage() (bool, error) {
	m := l.m
	l.say("")
	l.say("The installation in %s", m.manager.state.Dir)
	m.tellState(m.manager.state, func(label, sign, text string) {
		if label != "" {
			label += ", "
		}
		l.say("%s%s%s", label, words(sign), text)
	})
	tasks := m.tasks()
	for i, job := range tasks {
		text := job.text
		if job.closed != "" {
			text = "not now: " + job.closed
		}
		l.say("%d. %s: %s", i+1, job.name, text)
	}
	for {
		text, err := l.hear(fmt.Sprintf("What is to be done? A number from 1 to %d, again, or quit: ", len(tasks)), false)
		if errors.Is(err, errNoMore) || text == "quit" || text == "q" {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if text == "again" || text == "r" {
			m.kept = nil
			return true, nil
		}
		n := 0
		if _, err := fmt.Sscanf(text, "%d", &n); err != nil || n < 1 || n > len(tasks) {
			l.mistake("%q is not one of the choices", text)
			continue
		}
		if closed := tasks[n-1].closed; closed != "" {
			l.mistake("%s", closed)
			continue
		}
		err = l.do(tasks[n-1].id)
		return !m.outcome.Removed, err
	}
}

// do carries out a task.
func (l *lines) do(id taskID) error {
	m := l.m
	m.review = review{}
	var err error
	switch id {
	case renewTask:
		m.answers.RotateCert = true
		_, err = l.review(m.plan0)
	case usersTask:
		_ = m.resume("users")
		err = l.answerAll("users")
	case settingsTask:
		err = l.chooseSettings()
	case repairTask:
		if m.installed.Refused() {
			_, err = l.repair()
			return err
		}
		_, err = l.review(m.plan0)
	case checkTask:
		if m.plan, err = m.plan0(l.ctx); err != nil {
			l.mistake("%s", inWords(err))
			return nil
		}
		_, err = l.prove()
	case rollbackTask:
		m.review.back = true
		_, err = l.review(m.options.Rollback)
	case serverTask:
		return l.switchServer()
	case uninstallTask:
		return l.uninstall()
	}
	return err
}

// plan0 makes a plan from the current answers.
func (m *model) plan0(ctx context.Context) (*plan.Plan, error) {
	return m.options.Plan(ctx, m.resolved())
}

// chooseSettings lists the steps and asks the questions of the chosen one, or of all.
func (l *lines) chooseSettings() error {
	m := l.m
	_ = m.resume("")
	forms := m.forms
	for i, f := range forms {
		l.say("%d. %s: %s", i+1, f.step.Title, m.stepSummary(f))
	}
	for {
		text,
			err := l.hear(fmt.Sprintf("What do you want to change? A number from 1 to %d, all, or back: ", len(forms)), false)
		if err != nil {
			return err
		}
		switch text {
		case "back":
			return nil
		case "all":
			return l.answerAll("")
		}
		n := 0
		if _, err := fmt.Sscanf(text, "%d", &n); err != nil || n < 1 || n > len(forms) {
			l.mistake("%q is not one of these", text)
			continue
		}
		step := forms[n-1].step.ID
		_ = m.resume(step)
		return l.answerAll(step)
	}
}

// switchServer starts the server, or stops the running one.
func (l *lines) switchServer() error {
	m := l.m
	if m.manager.state.Server.Up {
		var err error
		if m.manager.state.Server.Here && m.running != nil {
			err = m.running.Shutdown(l.ctx)
			m.running = nil
		} else {
			err = m.options.Stop(l.ctx)
		}
		if err != nil {
			l.mistake("the server is not stopped: %v", err)
			return nil
		}
		l.say("The server is stopped.")
		return nil
	}
	planned, err := m.plan0(l.ctx)
	if err != nil {
		l.mistake("%s", inWords(err))
		return nil
	}
	running, err := m.options.Start(context.WithoutCancel(l.ctx), planned)
	if running != nil {
		m.running = running
	}
	if err != nil {
		l.mistake("the server did not start: %v", err)
		return nil
	}
	if m.running == nil {
		l.say("The server is running.")
	}
	return l.serve()
}

// uninstall shows what would be removed, asks, and removes the installation.
func (l *lines) uninstall() error {
	m := l.m
	run := func(args ...string) error {
		command := m.options.Uninstall()
		command.Args = append(command.Args, args...)
		command.Stdout, command.Stderr = l.out, l.out
		return command.Run()
	}
	_ = run("--dry-run") // it ends with 3 if there is something to remove
	yes, err := l.yes("Remove this installation? Packs and images stay. yes or no: ")
	if err != nil || !yes {
		return err
	}
	var args []string
	if plan.HasCAKey(m.installed) {
		keep, err := l.yes(installation.KeepCAKeyQuestion + " yes or no: ")
		if err != nil {
			return err
		}
		if keep {
			args = append(args, "--keep-ca-key")
		}
	}
	if err := run(append(args, "--yes")...); err != nil {
		l.mistake("not uninstalled: %v", err)
		return nil
	}
	m.outcome.Removed = true
	return nil
}
