package tui

import (
	"slices"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
)

func (m *model) form() *form { return m.forms[m.at] }

// enterStep puts a step in front. Answers stay whichever way one comes.
func (m *model) enterStep(index int) {
	if len(m.forms) == 0 {
		m.phase = reviewing
		return
	}
	m.phase = asking
	m.at = max(min(index, len(m.forms)-1), 0)
	m.reached = max(m.reached, m.at)
	m.form().enter()
	m.refreshPreview()
	m.preview.base, m.preview.changed = m.preview.text, nil // from here on it is shown what the answers of this step change
}

// askingKey is a key while a step is in front.
func (m *model) askingKey(msg tea.KeyMsg, name string) tea.Cmd {
	f := m.form()
	if m.job != nil { // the answers are being tried: they hold still until that is over
		if name == "esc" {
			m.cancelJob()
			m.notice = "stopped trying"
		}
		return nil
	}
	switch f.key(msg, name) {
	case 1:
		return m.next()
	case -1:
		if m.backToSettings() {
			return nil
		}
		if m.at == 0 {
			if m.manager.on {
				m.keepAnswers()
				return m.goHome()
			}
			m.notice = "this is the first step; ctrl+c leaves"
			return nil
		}
		m.enterStep(m.at - 1)
	}
	return nil
}

// next leaves the step forwards, if nothing is in the way.
func (m *model) next() tea.Cmd {
	f := m.form()
	if f.refuse() {
		m.notice = "correct the marked answers first"
		return nil
	}
	if finding.AnyRefused(m.outlook) {
		return m.lookAhead()
	}
	if f.probed {
		return m.forward(f)
	}
	cmd, tries := f.probe()
	if !tries {
		f.probed = true
		return m.forward(f)
	}
	return cmd
}

// probed shows the findings of a probe, and continues if there are none.
func (m *model) probed(msg probedMsg) tea.Cmd {
	f := msg.form
	f.probed = true
	for e, findings := range msg.findings {
		e.tried = findings
	}
	if m.phase != asking || m.form() != f {
		return nil
	}
	if f.refuse() {
		f.probed = false // what is in the way may be gone at the next try
		m.notice = "correct the marked answers first"
		return nil
	}
	return m.forward(f)
}

// forward opens the next step. A warning stops it once, so that it is read.
func (m *model) forward(f *form) tea.Cmd {
	if !f.accepted {
		f.accepted = true
		for i, e := range f.asked() {
			for _, tried := range e.tried {
				if tried.Severity == finding.Warning {
					f.move(i)
					m.notice = "press enter again to continue despite the warning"
					return nil
				}
			}
		}
	}
	if m.settings.on {
		m.settings.at = min(m.at+1, len(m.forms))
		m.backToSettings()
		return nil
	}
	if m.at+1 < len(m.forms) {
		m.enterStep(m.at + 1)
		return nil
	}
	return m.startReview()
}

// stepNames are the entries of the left column.
func (m *model) stepNames() []string {
	names := make([]string, 0, len(m.forms)+2)
	for _, f := range m.forms {
		names = append(names, f.step.Title)
	}
	return append(names, "Review", "Checks")
}

// stepAt is the entry of the left column that is in front.
func (m *model) stepAt() int {
	switch m.phase {
	case reviewing, applying:
		return len(m.forms)
	case checking:
		return len(m.forms) + 1
	case handing, serving:
		return len(m.forms) + 2
	case beginning, asking, managing, choosing, repairing:
	}
	return m.at
}

// keepAnswers keeps changed answers, if there are any.
func (m *model) keepAnswers() {
	if m.changed() {
		resolved := m.resolved()
		m.kept = &resolved
	}
}

// resume opens the questions of one step, or of all, with what was changed before.
func (m *model) resume(only string) tea.Cmd {
	if m.kept != nil {
		m.answers, m.origins = m.kept.Answers, m.kept.Origins
		m.answers.Rebase(m.installed)
	}
	return m.answer(only)
}

// bind names a key for the line of help.
func bind(shown, does string) key.Binding {
	return key.NewBinding(key.WithKeys(shown), key.WithHelp(shown, does))
}

// intro says, before the first question, what was found that belongs to no question.
func (m *model) intro(width int) []string {
	var lines []string
	say := func(f finding.Finding) { lines = append(lines, m.drawFinding(f, width)...) }
	if in := m.installed; in.Exists() && !m.manager.on {
		say(finding.Finding{Severity: finding.Note, What: "an installation is in " + in.Dir, Remedy: "the answers are what it has now, and only what you change is changed"})
		if in.Problem != nil {
			say(finding.Finding{Severity: finding.Warning, What: in.Problem.Error()})
		}
	}
	if in := m.installed; in != nil && in.Recovered != "" {
		say(finding.Finding{Severity: finding.Warning, What: in.Recovered})
	}
	for _, f := range m.findings {
		if !m.asks(f.Question) {
			say(f)
		}
	}
	if !m.manager.on {
		for _, f := range m.outlook {
			say(flagged(f))
		}
	}
	if len(lines) > 0 {
		lines = append(lines, "")
	}
	return lines
}

// asks reports whether one of the questions has an ID.
func (m *model) asks(id string) bool {
	for _, f := range m.forms {
		if slices.ContainsFunc(f.entries, func(e *entry) bool { return e.question.ID == id }) {
			return true
		}
	}
	return false
}

// keys are those that do something now, the most useful first; in more words where there is room for them.
func (m *model) keys(words bool) []key.Binding {
	leave := bind("ctrl+c", "leave")
	if words && m.phase == asking {
		leave = bind("ctrl+c", "leave (nothing is written before the review)")
	}
	why := bind("?", "why")
	if m.helpOpen {
		return []key.Binding{bind("↑↓", "scroll"), bind("esc", "close"), bind("ctrl+c", "leave")}
	}
	switch m.phase {
	case beginning:
		return []key.Binding{bind("ctrl+c", "leave")}
	case asking:
		if m.job != nil {
			return []key.Binding{bind("esc", "stop trying"), leave}
		}
		f := m.form()
		keys := f.keys()
		if e := f.current(); e != nil && e.field.Modal() {
			return append(keys, bind("f1", "why"), bind("ctrl+c", "leave"))
		}
		if f.takesQuestionMark() {
			why = bind("f1", "why")
		}
		if !slices.ContainsFunc(keys, func(k key.Binding) bool { return k.Help().Key == "enter" }) {
			keys = append(keys, bind("enter", "next"))
		}
		if m.at > 0 || m.manager.on {
			keys = append(keys, bind("esc", "back"))
		}
		keys = append(keys, why, leave)
		if f.last() > 0 {
			keys = append(keys, bind("tab", "next field"))
		}
		return keys
	case reviewing:
		return append(m.reviewKeys(words), leave, bind("?", "help"))
	case applying:
		return m.applyKeys()
	case checking:
		return append(m.checksKeys(), bind("?", "help"))
	case handing:
		return append(m.cardKeys(words), bind("?", "help"))
	case serving:
		return append(m.logKeys(), bind("?", "help"))
	case managing:
		return append(m.managerKeys(), leave)
	case choosing:
		return append(m.settingsKeys(), leave, bind("?", "help"))
	case repairing:
		return append(m.repairKeys(), leave)
	}
	return nil
}

// askAgain goes from a later phase back to the questions.
func (m *model) askAgain() tea.Cmd {
	m.cancelJob()
	if m.review.mend {
		return m.beginAnew()
	}
	if len(m.forms) == 0 {
		return m.homeOr(m.hangUp)
	}
	if !m.backToSettings() {
		m.enterStep(len(m.forms) - 1)
	}
	return nil
}
