package tui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
	"packhouse/tui/session"
)

// settingsScreen lists the steps with their answers, to choose what to change.
type settingsScreen struct {
	*ui
	layout.Chooser
}

// Init implements screen.
func (s *settingsScreen) Init() tea.Cmd { return nil }

// tasks lists the steps with their answers, and the review.
func (s *settingsScreen) tasks() []session.Task {
	tasks := make([]session.Task, 0, len(s.session.Steps)+1)
	for _, step := range s.session.Steps {
		tasks = append(tasks, session.Task{Name: layout.Clean(step.Title), Text: s.session.Summary(step)})
	}
	text := "shows what changes before anything is written"
	if !s.session.Changed() {
		text = "nothing is changed yet"
	}
	return append(tasks, session.Task{Name: "Review and apply", Text: text})
}

// Update implements screen.
func (s *settingsScreen) Update(msg tea.Msg) tea.Cmd {
	pressed, ok := msg.(keyPress)
	steps := len(s.session.Steps)
	if !ok || s.Key(pressed.name, steps+1, s.height) {
		return nil
	}
	switch pressed.name {
	case "enter", " ":
		if s.At < steps {
			s.openStep(s.At)
			return nil
		}
		s.session.Purpose = session.ForAnswers
		return s.open(reviewing)
	case "esc", "q":
		s.session.FromList = false
		s.session.Keep()
		return s.home()
	}
	return nil
}

// Keys implements screen.
func (s *settingsScreen) Keys(bool) []key.Binding {
	return []key.Binding{bind("↑↓", "choose"), bind("enter", "open"), bind("esc", "back"), bind("ctrl+c", "leave"), bind("?", "help")}
}

// Title implements screen.
func (s *settingsScreen) Title() string { return "Settings" }

// Help implements screen.
func (s *settingsScreen) Help() string { return settingsHelp }

// View implements screen.
func (s *settingsScreen) View(width, height int) ([]string, string) {
	var items []string
	first, last := 0, 0
	for i, task := range s.tasks() {
		if i == s.At {
			first = len(items)
		}
		items = append(items, s.taskLines(task, i == s.At, width)...)
		if i == s.At {
			last = len(items) - 1
		}
	}
	return s.Show(layout.Wrap("Choose what to change. Everything else stays as it is.", width), items, first, last, height)
}
