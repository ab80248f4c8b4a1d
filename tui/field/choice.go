package field

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// Option is an option of a Choice.
type Option struct {
	Value    string
	Title    string
	Text     string // what it means; shown for the current option or for all, see [Choice.Explain]
	Disabled string // why it is not available; empty if it is
}

// Choice is a field that selects one of several options. The value follows the pointer, so that no
// confirmation is needed.
type Choice struct {
	theme   theme.Theme
	label   string
	options []Option
	at      int
	focused bool
	whole   bool // explain all options, not only the current one
}

// NewChoice returns a Choice with a value selected, or else the first available option.
func NewChoice(t theme.Theme, label string, options []Option, value string) *Choice {
	f := &Choice{theme: t, label: label}
	f.SetOptions(options, value)
	return f
}

// SetOptions replaces the options and selects a value, or else the first available option.
func (f *Choice) SetOptions(options []Option, value string) {
	f.options = options
	f.Select(value)
}

// Select selects a value, or else the first available option.
func (f *Choice) Select(value string) {
	f.at = -1
	for i, option := range f.options {
		if option.Value == value {
			f.at = i
			return
		}
	}
	f.at = f.next(-1, 1)
}

// Value returns the selected value, or "" if no option is available.
func (f *Choice) Value() string {
	if f.at < 0 || f.at >= len(f.options) {
		return ""
	}
	return f.options[f.at].Value
}

// Title returns the title of the selected option, or "".
func (f *Choice) Title() string {
	if f.at < 0 || f.at >= len(f.options) {
		return ""
	}
	return f.options[f.at].Title
}

// next returns the index of the next available option, or -1.
func (f *Choice) next(from, step int) int {
	for i := from + step; i >= 0 && i < len(f.options); i += step {
		if f.options[i].Disabled == "" {
			return i
		}
	}
	return -1
}

// Explain implements Explainer.
func (f *Choice) Explain(all bool) { f.whole = all }

// Focus implements Field.
func (f *Choice) Focus() { f.focused = true }

// Blur implements Field.
func (f *Choice) Blur() { f.focused = false }

// Touch implements Field.
func (f *Choice) Touch() {}

// TakesText implements Field.
func (f *Choice) TakesText() bool { return false }

// Problem implements Field.
func (f *Choice) Problem() string {
	if f.at < 0 {
		return "no choice is available"
	}
	return f.options[f.at].Disabled
}

// Modal implements Field.
func (f *Choice) Modal() bool { return false }

// Keys implements Field.
func (f *Choice) Keys() []key.Binding { return []key.Binding{bind("up down", "↑↓", "choose")} }

// Update implements Field.
func (f *Choice) Update(msg tea.KeyMsg) bool {
	step := 0
	switch {
	case is(msg, "up", "k"):
		step = -1
	case is(msg, "down", "j", " "):
		step = 1
	default:
		return false
	}
	to := f.next(f.at, step)
	if to < 0 {
		return is(msg, " ", "j", "k")
	}
	f.at = to
	return true
}

// View implements Field.
func (f *Choice) View(width int) View {
	var view View
	if f.label != "" {
		style := f.theme.Muted
		if f.focused {
			style = f.theme.Title
		}
		view.Lines = append(view.Lines, style.Render(layout.Cut(f.label, width)))
	}
	for i, option := range f.options {
		pointer, mark, style := "  ", "( ) ", f.theme.Plain
		if i == f.at {
			mark = "(•) "
			view.Focus = len(view.Lines)
			if f.focused {
				pointer, style = f.theme.Accent.Render(theme.Pointer)+" ", f.theme.Selected
			}
		}
		if option.Disabled != "" {
			style = f.theme.Muted
		}
		view.Lines = append(view.Lines, pointer+style.Render(layout.Cut(mark+option.Title, width-2)))
		remark := option.Text
		if option.Disabled != "" {
			remark = option.Disabled
		} else if !f.whole && (!f.focused || i != f.at) {
			remark = ""
		}
		if remark != "" {
			for _, line := range layout.Wrap(remark, width-6) {
				view.Lines = append(view.Lines, "      "+f.theme.Muted.Render(line))
			}
		}
		if i == f.at {
			view.Until = len(view.Lines) - 1
		}
	}
	return view
}

// NewYesNo returns a Choice between yes and no; its value is "true" or "false".
func NewYesNo(t theme.Theme, label string, value bool) *Choice {
	chosen := "false"
	if value {
		chosen = "true"
	}
	return NewChoice(t, label, []Option{{Value: "false", Title: "No"}, {Value: "true", Title: "Yes"}}, chosen)
}
