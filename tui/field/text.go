package field

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/bubbles/textinput"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// maxBytes is the default limit of a field: no answer is longer, but an accidental paste may be.
const maxBytes = 4096

// TextOptions are the options of a Text.
type TextOptions struct {
	Label       string
	Value       string
	Placeholder string                      // shown while the field is empty
	Suggestions []string                    // completions of the typed text; the right key accepts one
	MaxBytes    int                         // 0: 4096
	Check       func(value string) error    // validates a value; may be nil
	Complete    func(value string) []string // further completions of a value; may be nil
	Spaces      bool                        // spaces are allowed
}

// Text is a single-line text field.
type Text struct {
	theme   theme.Theme
	options TextOptions
	input   textinput.Model
	refused string // why the last input was refused
	problem string
	touched bool
	secret  bool
}

// NewText returns a Text.
func NewText(t theme.Theme, options TextOptions) *Text {
	f := &Text{theme: t, options: options, input: t.Input(textinput.New())}
	if f.options.MaxBytes <= 0 {
		f.options.MaxBytes = maxBytes
	}
	f.input.Prompt = ""
	f.input.Placeholder = options.Placeholder
	f.input.KeyMap = editing()
	f.input.ShowSuggestions = len(options.Suggestions) > 0 || options.Complete != nil
	f.input.SetSuggestions(options.Suggestions)
	f.Set(options.Value)
	f.touched = options.Value != ""
	return f
}

// editing returns the editing keys, without those that read the clipboard of the machine it runs
// on, and those with a meaning in the surrounding form.
func editing() textinput.KeyMap {
	keys := textinput.DefaultKeyMap
	keys.Paste = key.NewBinding(key.WithDisabled())
	keys.AcceptSuggestion = key.NewBinding(key.WithDisabled())
	keys.NextSuggestion = key.NewBinding(key.WithKeys("ctrl+n"))
	keys.PrevSuggestion = key.NewBinding(key.WithKeys("ctrl+p"))
	return keys
}

// Value returns the value, without surrounding space.
func (f *Text) Value() string {
	if f.secret {
		return f.input.Value()
	}
	return strings.TrimSpace(f.input.Value())
}

// Set sets the value.
func (f *Text) Set(value string) {
	f.input.SetValue(value)
	f.input.CursorEnd()
	f.check()
}

// Suggest replaces the suggestions.
func (f *Text) Suggest(suggestions []string) {
	f.options.Suggestions = suggestions
	f.input.Placeholder = ""
	if len(suggestions) > 0 {
		f.input.Placeholder = "for instance " + suggestions[0] // in words: without faint text it would look like an answer
	}
	f.input.ShowSuggestions = len(suggestions) > 0 || f.options.Complete != nil
	f.input.SetSuggestions(suggestions)
	f.complete()
}

// Focus implements Field.
func (f *Text) Focus() { f.input.Focus() }

// Blur implements Field.
func (f *Text) Blur() {
	f.input.Blur()
	f.refused = ""
}

// TakesText implements Field.
func (f *Text) TakesText() bool { return true }

// Touch implements Field.
func (f *Text) Touch() { f.touched = true }

// Problem implements Field.
func (f *Text) Problem() string { return f.problem }

// Modal implements Field.
func (f *Text) Modal() bool { return false }

// Keys implements Field.
func (f *Text) Keys() []key.Binding {
	if f.offer() != "" {
		return []key.Binding{bind("right", "→", "take "+layout.Cut(f.offer(), 24))}
	}
	return nil
}

// offer returns the suggestion that the right key would accept.
func (f *Text) offer() string {
	if f.input.Value() == "" && len(f.options.Suggestions) > 0 {
		return f.options.Suggestions[0]
	}
	if f.secret || f.input.Position() < len([]rune(f.input.Value())) || len(f.input.MatchedSuggestions()) == 0 {
		return ""
	}
	if offered := f.input.CurrentSuggestion(); len(offered) > len(f.input.Value()) {
		return offered
	}
	return ""
}

// Update implements Field.
func (f *Text) Update(msg tea.KeyMsg) bool {
	if text, ok := typed(msg); ok {
		if msg.Alt {
			return false
		}
		f.take(text, msg.Paste)
		return true
	}
	if is(msg, "right", "end") && f.offer() != "" {
		f.Set(f.offer())
		f.complete()
		f.touched = true
		return true
	}
	before, position := f.input.Value(), f.input.Position()
	f.input, _ = f.input.Update(msg)
	if f.input.Value() != before {
		f.touched, f.refused = true, ""
		f.complete()
		f.check()
		return true
	}
	return f.input.Position() != position || is(msg, "left", "right", "home", "end", "backspace", "delete")
}

// take inserts typed or pasted text at the cursor, completely or not at all.
func (f *Text) take(text string, pasted bool) {
	f.refused = ""
	switch {
	case pasted && f.secret: // a password may start or end with a space
		text = strings.Trim(text, "\r\n")
	case pasted:
		text = strings.TrimSpace(text)
	}
	if found := Invisible(text); found != "" {
		f.refused = "not inserted: it contains " + found + ", which is invisible"
		return
	}
	if !f.options.Spaces && !f.secret && strings.Contains(text, " ") {
		f.refused = "no spaces are allowed here"
		return
	}
	if size := len(f.input.Value()) + len(text); size > f.options.MaxBytes {
		f.refused = fmt.Sprintf("not inserted: %d bytes exceed the limit of %d", size, f.options.MaxBytes)
		return
	}
	f.input, _ = f.input.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text), Paste: pasted})
	f.touched = true
	f.complete()
	f.check()
}

// complete updates the completions of the value.
func (f *Text) complete() {
	if f.options.Complete == nil {
		return
	}
	f.input.SetSuggestions(append(f.options.Complete(f.input.Value()), f.options.Suggestions...))
}

func (f *Text) check() {
	f.problem = ""
	value := f.Value()
	if found := Invisible(value); found != "" {
		f.problem = "contains " + found + ", which is invisible"
		return
	}
	if len(value) > f.options.MaxBytes {
		f.problem = fmt.Sprintf("is %d bytes long; the limit is %d", len(value), f.options.MaxBytes)
		return
	}
	if f.options.Check != nil {
		if err := f.options.Check(value); err != nil {
			f.problem = err.Error()
		}
	}
}

// View implements Field.
func (f *Text) View(width int) View {
	var view View
	if f.options.Label != "" {
		style := f.theme.Muted
		if f.input.Focused() {
			style = f.theme.Title
		}
		view.Lines = append(view.Lines, style.Render(layout.Cut(f.options.Label, width)))
	}
	view.Focus = len(view.Lines)
	view.Lines = append(view.Lines, f.line(width))
	switch {
	case f.refused != "":
		view.Lines = append(view.Lines, complain(f.theme, f.refused, width)...)
	case f.touched:
		view.Lines = append(view.Lines, complain(f.theme, f.problem, width)...)
	}
	view.Until = len(view.Lines) - 1
	return view
}

// line renders the input itself, after a pointer if it has the focus.
func (f *Text) line(width int) string {
	input := f.input
	input.Width = max(width-4, 1)
	input.SetCursor(input.Position()) // scrolls to the cursor for the new width
	pointer := "  "
	if input.Focused() {
		pointer = f.theme.Accent.Render(theme.Pointer) + " "
	}
	return pointer + layout.Cut(strings.TrimRight(input.View(), " "), width-2)
}
