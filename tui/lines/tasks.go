package lines

import (
	"errors"
	"fmt"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/describe"
	"packhouse/tui/session"
)

// manage shows the state and runs one task. It reports whether to show the menu again.
func (l *mode) manage() (bool, error) {
	s := l.session
	l.say("")
	l.say("The installation in %s", s.State.Dir)
	describe.State(s, s.Options.Pasteable, func(label, sign, text string) {
		if label != "" {
			label += ", "
		}
		l.say("%s%s%s", label, words(sign), text)
	})
	tasks := s.Tasks()
	for i, task := range tasks {
		text := task.Text
		if task.Closed != "" {
			text = "not now: " + task.Closed
		}
		l.say("%d. %s: %s", i+1, task.Name, text)
	}
	for {
		text, err := l.readLine(fmt.Sprintf("Choose a task from 1 to %d, again to refresh, or quit: ", len(tasks)), false)
		if errors.Is(err, ErrInputEnded) || text == "quit" || text == "q" {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if text == "again" || text == "r" {
			s.Unsaved = nil
			return true, nil
		}
		n := 0
		if _, err := fmt.Sscanf(text, "%d", &n); err != nil || n < 1 || n > len(tasks) {
			l.mistake("%q is not one of the choices", text)
			continue
		}
		if closed := tasks[n-1].Closed; closed != "" {
			l.mistake("%s", closed)
			continue
		}
		err = l.runTask(tasks[n-1].ID)
		return !s.Outcome.Removed, err
	}
}

// runTask carries out a task.
func (l *mode) runTask(id session.TaskID) error {
	s := l.session
	s.Steps, s.Purpose = nil, session.ForAnswers
	var err error
	switch id {
	case session.RenewTask:
		s.Answers.RotateCert = true
		_, err = l.review()
	case session.UsersTask:
		s.Resume("users")
		err = l.answerAll()
	case session.SettingsTask:
		err = l.chooseSettings()
	case session.RepairTask:
		if s.Installed.Refused() {
			_, err = l.repair()
			return err
		}
		_, err = l.review()
	case session.CheckTask:
		if s.Plan, err = s.Planner()(l.ctx); err != nil {
			l.mistake("%s", session.Words(err))
			return nil
		}
		_, err = l.prove()
	case session.RollbackTask:
		s.RollBack()
		_, err = l.review()
	case session.ServerTask:
		return l.switchServer()
	case session.UninstallTask:
		return l.uninstall()
	}
	return err
}

// chooseSettings lists the steps and asks the questions of the chosen one, or of all.
func (l *mode) chooseSettings() error {
	s := l.session
	s.Resume("")
	steps := s.Steps
	for i, step := range steps {
		l.say("%d. %s: %s", i+1, step.Title, s.Summary(step))
	}
	for {
		text, err := l.readLine(fmt.Sprintf("Choose what to change from 1 to %d, all, or back: ", len(steps)), false)
		if err != nil {
			return err
		}
		switch text {
		case "back":
			return nil
		case "all":
			return l.answerAll()
		}
		n := 0
		if _, err := fmt.Sscanf(text, "%d", &n); err != nil || n < 1 || n > len(steps) {
			l.mistake("%q is not one of these", text)
			continue
		}
		s.Resume(steps[n-1].ID)
		return l.answerAll()
	}
}

// switchServer starts the server, or stops the running one.
func (l *mode) switchServer() error {
	s := l.session
	if s.State.Server.Up {
		err := s.Stopper(s.State.Server.Here)(l.ctx)
		s.Stopped()
		if err != nil {
			l.mistake("the server is not stopped: %v", err)
			return nil
		}
		l.say("The server is stopped.")
		return nil
	}
	planned, err := s.Planner()(l.ctx)
	if err != nil {
		l.mistake("%s", session.Words(err))
		return nil
	}
	running, err := s.Starter()(l.ctx, planned)
	s.Started(running, err)
	if err != nil {
		l.mistake("the server did not start: %v", err)
		return nil
	}
	if s.Running == nil {
		l.say("The server is running.")
	}
	return l.serve()
}

// uninstall shows what would be removed, asks for confirmation, and removes the installation.
func (l *mode) uninstall() error {
	run := func(args ...string) error {
		command := l.options.Uninstall()
		command.Args = append(command.Args, args...)
		command.Stdout, command.Stderr = l.out, l.out
		return command.Run()
	}
	_ = run("--dry-run") // exits with 3 if there is something to remove
	yes, err := l.confirm("Remove this installation? Packs and images are kept. yes or no: ")
	if err != nil || !yes {
		return err
	}
	var args []string
	if plan.HasCAKey(l.session.Installed) {
		keep, err := l.confirm(installation.KeepCAKeyQuestion + " yes or no: ")
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
	l.session.Outcome.Removed = true
	return nil
}
