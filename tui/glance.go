package tui

import (
	"context"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
	"packhouse/setup/question"
)

// glance holds what a quick look shows about the answer in front, while it is typed. Looks run in the background, one at a time, so that a
// disk that does not answer never blocks typing.
type glance struct {
	question string // that was looked at
	answer   string
	busy     bool
	findings []finding.Finding
}

// Messages of looking.
type (
	glancedMsg struct {
		question, answer string
		findings         []finding.Finding
	}
	outlookMsg struct{ findings []finding.Finding }
)

// glanceAt inspects the answer in front if it has changed.
func (m *model) glanceAt() tea.Cmd {
	if m.phase != asking || m.glance.busy || len(m.forms) == 0 {
		return nil
	}
	e := m.form().current()
	if e == nil || e.question.Kind != question.Path || e.question.ID == m.glance.question && e.known == m.glance.answer {
		return nil
	}
	m.glance.busy = true
	ctx, machine, answers := m.ctx, m.machine, m.resolved().Answers
	q, answer := e.question.ID, e.known
	return guard(func() tea.Msg {
		return glancedMsg{q, answer, worded(question.Glance(ctx, machine, q, &answers))}
	})
}

// glanced stores the result. The previous result for the same question stays until then, so that nothing flickers.
func (m *model) glanced(msg glancedMsg) {
	m.glance = glance{question: msg.question, answer: msg.answer, findings: msg.findings}
}

// glance returns what is known of the answer. The result of a probe takes precedence.
func (e *entry) glance() []finding.Finding {
	if e.question.ID != e.m.glance.question || e.refused() || len(e.tried) > 0 {
		return nil
	}
	return e.m.glance.findings
}

// lookAround detects the defaults of the wizard and the findings about the machine.
func (m *model) lookAround(ctx context.Context) (Beginning, error) {
	b, err := m.options.Begin(ctx)
	switch {
	case err != nil || b.Installed.Refused():
	case b.State != nil:
		b.outlook = question.MachineNotes(m.options.Size(), b.State)
	default:
		b.outlook = question.Outlook(b.Machine, &b.Resolved.Answers)
	}
	return b, err
}

// lookAhead checks again what blocked the wizard before its first question, because the user may have fixed it.
func (m *model) lookAhead() tea.Cmd {
	machine, answers := m.machine, m.resolved().Answers
	return m.start("looking again", func(context.Context, func(tea.Msg)) tea.Msg {
		return outlookMsg{question.Outlook(machine, &answers)}
	})
}

// lookedAhead continues if nothing blocks the wizard any more.
func (m *model) lookedAhead(msg outlookMsg) tea.Cmd {
	m.outlook = msg.findings
	if m.phase != asking {
		return nil
	}
	for _, f := range m.outlook {
		if f.Severity == finding.Refused {
			m.notice = "not before this is put right; enter looks again"
			if m.height < normalHeight { // the words themselves may be out of sight
				m.notice = f.String() + "; enter looks again"
			}
			return nil
		}
	}
	return m.next()
}

// flagged names the flag within the words: there is no question in which the answer could be changed.
func flagged(f finding.Finding) finding.Finding {
	if f.Flag != "" {
		f.What, f.Flag = f.Flag+": "+f.What, ""
	}
	return f
}
