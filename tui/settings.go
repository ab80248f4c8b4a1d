package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/answer"
	"packhouse/tui/layout"
)

// settings is the list of steps from which one is chosen to be changed.
type settings struct {
	chooser
	on bool // the questions were opened from the list, and lead back to it
}

// openSettings shows the list of steps, with answers that were changed before.
func (m *model) openSettings() tea.Cmd {
	cmd := m.resume("")
	m.settings = settings{on: true}
	m.phase = choosing
	return cmd
}

// backToSettings returns from a step to the list. It reports false if the step was not opened from
// the list.
func (m *model) backToSettings() bool {
	if !m.settings.on {
		return false
	}
	m.phase = choosing
	return true
}

// settingsTasks lists the steps with their answers, and the review.
func (m *model) settingsTasks() []task {
	tasks := make([]task, 0, len(m.forms)+1)
	for i, f := range m.forms {
		tasks = append(tasks,
			task{name: clean(f.step.Title), text: m.stepSummary(f), run: func() tea.Cmd { m.enterStep(i); return nil }})
	}
	text := "shows what changes before anything is written"
	if !m.changed() {
		text = "nothing is changed yet"
	}
	return append(tasks, task{name: "Review and apply", text: text, run: m.startReview})
}

// stepSummary returns the answer to the first question of a step, with a mark if one was changed.
func (m *model) stepSummary(f *form) string {
	text, changed := "", false
	for _, e := range f.asked() {
		e.sync()
		if text == "" {
			text = e.answer()
		}
		changed = changed || m.origins[e.question.ID] == answer.FromTyping
	}
	if changed {
		text = "changed: " + text
	}
	return text
}

// changed reports whether an answer was changed at this terminal and not applied.
func (m *model) changed() bool {
	for _, origin := range m.origins {
		if origin == answer.FromTyping {
			return true
		}
	}
	return false
}

func (m *model) settingsKey(name string) tea.Cmd {
	tasks := m.settingsTasks()
	switch s := &m.settings; {
	case s.key(name, len(tasks), m.height):
	case name == "enter", name == " ":
		return tasks[min(s.at, len(tasks)-1)].run()
	case name == "esc", name == "q":
		m.settings.on = false
		m.keepAnswers()
		return m.goHome()
	}
	return nil
}

func (m *model) settingsKeys() []key.Binding {
	return []key.Binding{bind("↑↓", "choose"), bind("enter", "open"), bind("esc", "back")}
}

func (m *model) settingsBody(width, height int) ([]string, string) {
	s := &m.settings
	var items []string
	first, last := 0, 0
	for i, t := range m.settingsTasks() {
		if i == s.at {
			first = len(items)
		}
		items = append(items, m.taskLines(t, i == s.at, width)...)
		if i == s.at {
			last = len(items) - 1
		}
	}
	return s.show(layout.Wrap("Choose what to change. Everything else stays as it is.", width), items, first, last, height)
}
