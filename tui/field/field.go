// Package field implements the fields that answer questions: a line of text, a secret, one of
// several options, a list of checkboxes, yes or no, and an editor of users composed of them.
//
// A field validates its value while the user types and displays problems beside itself. Invisible
// characters cannot be typed or pasted: control characters, characters that change the text
// direction and zero-width characters are refused with their code point. Limits are in bytes, as in
// the formats that the answers are stored in.
package field

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// Field is implemented by all fields. Its methods must be called from a single goroutine.
type Field interface {
	Focus()
	Blur()
	// Update handles a key and reports whether the field used it. Otherwise the form handles the
	// key.
	Update(msg tea.KeyMsg) bool
	// View renders the field with a width in columns.
	View(width int) View
	// Keys returns the current key bindings, for the help line.
	Keys() []key.Binding
	// Problem returns why the value is invalid, or "" if it is valid.
	Problem() string
	// Touch makes the field display its problem even if nothing was typed yet.
	Touch()
	// TakesText reports whether typed characters are text input, so that none of them is a command.
	TakesText() bool
	// Modal reports whether the field has an open form or input that handles enter and escape.
	Modal() bool
}

// Explainer is a field that can explain all of its options at once if there is room, so that the
// layout does not change with the selection.
type Explainer interface {
	Explain(all bool)
}

// View is a rendered field.
type View struct {
	Lines []string
	Focus int // line that must stay visible
	Until int // last line to keep visible if possible; if less than Focus: Focus itself
}

// typed returns the characters of a key message, and whether it has any.
func typed(msg tea.KeyMsg) (string, bool) {
	switch msg.Type {
	case tea.KeyRunes:
		return string(msg.Runes), true
	case tea.KeySpace:
		return " ", true
	}
	return "", false
}

// is reports whether a message is one of the named keys. Pasted text never is.
func is(msg tea.KeyMsg, names ...string) bool {
	if msg.Paste {
		return false
	}
	name := msg.String()
	return slices.Contains(names, name)
}

// bind returns a key binding for the help line.
func bind(keys, shown, does string) key.Binding {
	return key.NewBinding(key.WithKeys(strings.Split(keys, " ")...), key.WithHelp(shown, does))
}

// complain renders a problem below its field.
func complain(t theme.Theme, problem string, width int) []string {
	if problem == "" {
		return nil
	}
	var lines []string
	for line := range strings.SplitSeq(problem, "\n") {
		lines = append(lines, layout.Hang("  "+theme.Failed+" ", line, width)...)
	}
	for i := range lines {
		lines[i] = t.Bad.Render(lines[i])
	}
	return lines
}
