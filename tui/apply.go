package tui

import (
	"context"
	"errors"
	"slices"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// progress is the screen on which files are being written.
type progress struct {
	done  []string
	doing string
	err   error
	top   int
}

// Messages of a running apply.
type (
	writingMsg struct{ verb, path string }
	appliedMsg struct {
		applied   *apply.Applied
		err       error
		installed *installation.Installed // as it is afterwards; nil: not known
	}
)

// startApply applies the plan. If there is nothing to change, it runs the checks.
func (m *model) startApply() tea.Cmd {
	if !m.plan.Pending() {
		m.outcome.Plan = m.plan
		return m.startChecks()
	}
	m.phase, m.apply = applying, progress{}
	planned, running, back := m.plan, m.running, m.review.back
	return m.start("writing", func(ctx context.Context, emit func(tea.Msg)) tea.Msg {
		applied, err := m.options.Apply(ctx, planned, func(verb, path string) { emit(writingMsg{verb, path}) })
		msg := appliedMsg{applied: applied, err: err}
		if err == nil && m.options.Reread != nil {
			ctx = context.WithoutCancel(ctx)
			msg.installed, _ = m.options.Reread(ctx) // the checks report what is wrong with it
			if gone := back && msg.installed != nil && msg.installed.ConfigData == nil; gone && running != nil {
				_ = running.Shutdown(ctx) // its files are gone; the log says how it ended
			}
		}
		return msg
	})
}

func (p *progress) writing(msg writingMsg) {
	if p.doing != "" {
		p.done = append(p.done, p.doing)
	}
	p.doing = msg.verb + " " + msg.path
	if msg.path == "." {
		p.doing = msg.verb + " the directory"
	}
}

func (m *model) applied(msg appliedMsg) tea.Cmd {
	if msg.err != nil {
		m.apply.err = msg.err
		if errors.Is(msg.err, context.Canceled) {
			m.apply.err = errors.New("stopped; nothing was changed")
		}
		return nil
	}
	m.outcome.Stage, m.outcome.Plan, m.outcome.Applied = Applied, m.plan, msg.applied
	m.settle()
	m.kept = nil
	if msg.installed != nil { // the next questions and the preview start from it
		m.installed = msg.installed
		m.answers.Rebase(msg.installed)
	}
	if m.review.mend {
		m.repair = repair{}
	}
	if m.review.aside() {
		return m.wentBack(msg.installed)
	}
	if m.leaving != 0 {
		return nil
	}
	return m.startChecks()
}

// wentBack continues after a rollback or a repair: it checks the restored installation, if there is one.
func (m *model) wentBack(in *installation.Installed) tea.Cmd {
	m.outcome.Stage, m.outcome.Plan, m.outcome.Applied, m.outcome.Report = Asked, nil, nil, check.Report{}
	if m.review.back {
		m.passwords, m.given = nil, nil // of users as they were before the rollback
	}
	if m.leaving != 0 {
		return nil
	}
	switch {
	case in.Refused(): // by hand, before it was put right; a server that runs keeps its last good state
		cmd := m.beginAnew()
		m.notice = "the file is as it was before, and the server would not start on it"
		return cmd
	case in == nil || in.ConfigData != nil:
		return m.startChecks()
	}
	m.running = nil
	cmd := m.askAgain()
	m.notice = "everything is as it was before; the answers are still here"
	return cmd
}

// settle makes the answers those of an installation that has them: who goes back to the questions changes only what is changed there, and
// gets no second certificate or password.
func (m *model) settle() {
	for _, fresh := range m.plan.Passwords {
		m.passwords = slices.DeleteFunc(m.passwords, func(old plan.Password) bool { return old.User == fresh.User })
		m.passwords = append(m.passwords, fresh)
	}
	if len(m.plan.Passwords) > 0 {
		m.card.looked, m.card.warned = false, false
	}
	users := slices.Clone(m.answers.Users)
	for i := range users {
		switch users[i].Source {
		case setup.Typed, setup.FromFile, setup.FromEnv, setup.FromStdin:
			m.given = append(slices.DeleteFunc(m.given, func(name string) bool { return name == users[i].Name }), users[i].Name)
			m.passwords = slices.DeleteFunc(m.passwords, func(old plan.Password) bool { return old.User == users[i].Name })
		case setup.Generated:
			m.given = slices.DeleteFunc(m.given, func(name string) bool { return name == users[i].Name })
		case setup.Kept, setup.Unspecified:
		}
		users[i].Source, users[i].Password = setup.Kept, ""
	}
	m.passwords = slices.DeleteFunc(m.passwords, func(old plan.Password) bool {
		return !slices.ContainsFunc(users, func(u setup.User) bool { return u.Name == old.User })
	})
	m.answers.Users, m.answers.RemoveUsers, m.answers.NoSANs = users, nil, nil
	m.answers.RotateCert, m.answers.NewKey, m.answers.NewCA = false, false, false
	for _, f := range m.forms {
		for _, e := range f.entries {
			m.origins[e.question.ID] = answer.FromInstallation
		}
	}
}

func (m *model) failedApplyKey(name string) tea.Cmd {
	switch name {
	case "esc":
		return m.planAgain()
	case "r":
		return m.startApply()
	}
	return nil
}

func (m *model) applyKeys() []key.Binding {
	if m.apply.err != nil {
		return []key.Binding{bind("r", "try again"), bind("esc", "back"), bind("ctrl+c", "leave")}
	}
	return []key.Binding{bind("esc", "stop"), bind("ctrl+c", "stop and leave")}
}

func (m *model) applyBody(width, height int) ([]string, string) {
	t := m.theme
	var lines []string
	for _, done := range m.apply.done {
		lines = append(lines, layout.Cut(t.Good.Render(theme.Done)+" "+clean(done), width))
	}
	switch {
	case m.apply.err != nil:
		for _, line := range layout.Hang(theme.Failed+" ", clean(inWords(m.apply.err)), width) {
			lines = append(lines, t.Bad.Render(line))
		}
		lines = append(lines, "")
		lines = append(lines, layout.Wrap("The installation is as it was before.", width)...)
	case m.apply.doing != "":
		lines = append(lines, layout.Cut(m.spinner.View()+" "+clean(m.apply.doing), width))
	}
	return scroll(lines, &m.apply.top, len(lines)-1, height)
}
