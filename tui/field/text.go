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

// maxBytes bounds what a field without a limit of its own takes: nothing that is asked for is longer, and a paste by mistake may be.
const maxBytes = 4096

// TextOptions describe a line of text.
type TextOptions struct {
	Label       string
	Value       string
	Placeholder string                      // shown while nothing is typed
	Suggestions []string                    // offered by what was typed; right takes one
	MaxBytes    int                         // 0: 4096
	Check       func(value string) error    // what is wrong with a value; nil: nothing is
	Complete    func(value string) []string // what a value could go on to be, beside Suggestions; nil: nothing
	Spaces      bool                        // a space may be typed
}

// Text is a line of text.
type Text struct {
	theme   theme.Theme
	options TextOptions
	input   textinput.Model
	refused string // what was typed or pasted last and not taken
	problem string
	touched bool
	secret  bool
}

// NewText makes a line of text.
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

// editing are the keys of a line. Those that would read a clipboard of the machine it runs on are left out, and so are those that mean
// something to the form around it.
func editing() textinput.KeyMap {
	keys := textinput.DefaultKeyMap
	keys.Paste = key.NewBinding(key.WithDisabled())
	keys.AcceptSuggestion = key.NewBinding(key.WithDisabled())
	keys.NextSuggestion = key.NewBinding(key.WithKeys("ctrl+n"))
	keys.PrevSuggestion = key.NewBinding(key.WithKeys("ctrl+p"))
	return keys
}

// Value is what the field holds, without space around it.
func (f *Text) Value() string {
	if f.secret {
		return f.input.Value()
	}
	return strings.TrimSpace(f.input.Value())
}

// Set puts a value into the field.
func (f *Text) Set(value string) {
	f.input.SetValue(value)
	f.input.CursorEnd()
	f.check()
}

// Suggest offers other values from now on.
func (f *Text) Suggest(suggestions []string) {
	f.options.Suggestions = suggestions
	f.input.Placeholder = ""
	if len(suggestions) > 0 {
		f.input.Placeholder = "for instance " + suggestions[0] // in words: where there is no faint it would look like an answer
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

// offer is the suggestion that the next press of the right key takes.
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

// take puts typed or pasted text in at the cursor, whole or not at all.
func (f *Text) take(text string, pasted bool) {
	f.refused = ""
	switch {
	case pasted && f.secret: // a password may begin or end with a space
		text = strings.Trim(text, "\r\n")
	case pasted:
		text = strings.TrimSpace(text)
	}
	if found := Invisible(text); found != "" {
		f.refused = "not taken: it holds " + found + ", which is invisible"
		return
	}
	if !f.options.Spaces && !f.secret && strings.Contains(text, " ") {
		f.refused = "no spaces are allowed here"
		return
	}
	if size := len(f.input.Value()) + len(text); size > f.options.MaxBytes {
		f.refused = fmt.Sprintf("not taken: that would be %d bytes, %d are the most", size, f.options.MaxBytes)
		return
	}
	f.input, _ = f.input.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text), Paste: pasted})
	f.touched = true
	f.complete()
	f.check()
}

// complete offers what the value could go on to be.
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
		f.problem = "holds " + found + ", which is invisible"
		return
	}
	if len(value) > f.options.MaxBytes {
		f.problem = fmt.Sprintf("is %d bytes long, %d are the most", len(value), f.options.MaxBytes)
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

// line is the input itself, behind a pointer when it has the focus.
func (f *Text) line(width int) string {
	input := f.input
	input.Width = max(width-4, 1)
	input.SetCursor(input.Position()) // lets it move its window to the cursor under the new width
	pointer := "  "
	if input.Focused() {
		pointer = f.theme.Accent.Render(theme.Pointer) + " "
	}
	return pointer + layout.Cut(strings.TrimRight(input.View(), " "), width-2)
}
