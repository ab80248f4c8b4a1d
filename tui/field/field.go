// Package field holds the small models that questions are answered in: a line of text, a secret, one of several, many of several, a list of
// names, yes or no; and the editor of users that is made of them.
//
// A field checks while one types and shows what is wrong beside itself. What cannot be seen cannot be typed or pasted: control characters,
// characters that turn the direction of text and characters without width are refused, naming the code point. Limits count bytes, as the
// formats do that the answers end up in.
package field

import (
	"slices"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// Field is one of the models. Its methods are called by one goroutine only.
type Field interface {
	Focus()
	Blur()
	// Update takes a key in and tells whether the field used it. What it did not use belongs to whoever holds the field.
	Update(msg tea.KeyMsg) bool
	// View draws the field in so many columns.
	View(width int) View
	// Keys are the keys that the field uses now, for the line of help.
	Keys() []key.Binding
	// Problem is why the field cannot be left as it is; empty when it can.
	Problem() string
	// Touch makes the field show its problem, also if nothing was typed yet.
	Touch()
	// TakesText tells that characters are typed into the field now, so that none of them is a command.
	TakesText() bool
	// Modal tells that something is open within the field that has enter and escape to itself.
	Modal() bool
}

// Explainer is a field that can say what each of its options means, where there is room for it: then nothing moves when another one is chosen.
type Explainer interface {
	Explain(all bool)
}

// View is a drawn field.
type View struct {
	Lines []string
	Focus int // the line that must stay in sight
	Until int // the line after Focus up to which it had better; below Focus: Focus itself
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

// is tells whether a message is one of the keys named. Pasted text never is.
func is(msg tea.KeyMsg, names ...string) bool {
	if msg.Paste {
		return false
	}
	name := msg.String()
	return slices.Contains(names, name)
}

// bind names a key for the line of help.
func bind(keys, shown, does string) key.Binding {
	return key.NewBinding(key.WithKeys(strings.Split(keys, " ")...), key.WithHelp(shown, does))
}

// complain draws a problem below its field.
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
