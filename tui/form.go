package tui

import (
	"slices"

	"github.com/charmbracelet/bubbles/key"

	"packhouse/setup/question"
	"packhouse/tui/field"
	"packhouse/tui/layout"
)

// form shows the questions of a step below each other. One of them is open.
type form struct {
	*ui
	step     question.Step
	entries  []*entry
	at       int    // index among the questions that are asked
	advanced bool   // advanced questions are shown too
	probed   bool   // the current answers were probed
	accepted bool   // the warnings of the probes were shown
	top      int    // first visible line
	edited   func() // is called when an answer has changed
}

func newForm(u *ui, step question.Step, g *glance, edited func()) *form {
	f := &form{ui: u, step: step, edited: edited}
	for _, q := range step.Questions {
		f.entries = append(f.entries, newEntry(u, q, g))
	}
	return f
}

// asked returns the questions that apply, given the answers so far.
func (f *form) asked() []*entry {
	var out []*entry
	for _, e := range f.entries {
		if e.asked() && (f.advanced || !e.question.Advanced) {
			out = append(out, e)
		}
	}
	return out
}

// hasMore reports whether the step has advanced questions, which are hidden by default.
func (f *form) hasMore() bool {
	for _, e := range f.entries {
		if e.question.Advanced && e.asked() {
			return true
		}
	}
	return false
}

// current returns the open question, or nil on the line that shows advanced ones.
func (f *form) current() *entry {
	asked := f.asked()
	if f.at < 0 || f.at >= len(asked) {
		return nil
	}
	return asked[f.at]
}

// last returns the last index of the pointer: the line after the questions shows advanced ones.
func (f *form) last() int {
	last := len(f.asked()) - 1
	if f.hasMore() && !f.advanced {
		last++
	}
	return max(last, 0)
}

// enter shows the form with the current answers.
func (f *form) enter() {
	for _, e := range f.entries {
		e.sync()
		e.field.Blur()
	}
	f.at = max(min(f.at, f.last()), 0)
	f.focus()
}

func (f *form) focus() {
	if e := f.current(); e != nil {
		e.field.Focus()
		e.validate()
	}
}

func (f *form) move(to int) {
	if to < 0 || to > f.last() || to == f.at {
		return
	}
	if e := f.current(); e != nil {
		e.touched = true
		e.field.Blur()
	}
	f.at = to
	f.focus()
}

// direction is where a key leads.
type direction int

const (
	stay direction = iota
	forward
	back
)

// key handles a key and returns whether it leaves the step.
func (f *form) key(msg keyPress) direction {
	e := f.current()
	if e != nil && e.field.Update(msg.KeyMsg) {
		f.changed(e)
		return stay
	}
	switch msg.name {
	case "esc":
		return back
	case "enter":
		if e == nil {
			f.showMore()
			return stay
		}
		if f.at+1 < len(f.asked()) {
			f.move(f.at + 1)
			return stay
		}
		return forward
	case " ":
		if e == nil {
			f.showMore()
		}
	case "tab", "down":
		f.move(f.at + 1)
	case "shift+tab", "up":
		f.move(f.at - 1)
	}
	return stay
}

func (f *form) showMore() {
	f.advanced = true
	f.at = 0
	for i, e := range f.asked() {
		if e.question.Advanced {
			f.at = i
			break
		}
	}
	f.focus()
}

// changed stores the answer of an entry, and updates the other questions.
func (f *form) changed(e *entry) {
	if !e.apply() {
		return
	}
	f.probed, f.accepted = false, false
	f.forgetProbes()
	for _, other := range f.entries {
		if other != e {
			other.sync()
		}
	}
	e.validate()
	f.at = max(min(f.at, f.last()), 0)
	f.edited()
}

// forgetProbes drops the findings of the probes.
func (f *form) forgetProbes() {
	for _, e := range f.entries {
		e.tried = nil
	}
}

// refuse shows all refused answers and opens the first of them. It reports whether there are any.
func (f *form) refuse() bool {
	first := -1
	for i, e := range f.asked() {
		e.touched = true
		e.field.Touch()
		e.validate()
		if first < 0 && e.refused() {
			first = i
		}
	}
	if first >= 0 {
		f.move(first)
	}
	return first >= 0
}

// stuck reports whether an answer that the user visited is refused.
func (f *form) stuck() bool {
	for _, e := range f.asked() {
		if e.touched && e.refused() {
			return true
		}
	}
	return false
}

// keys lists the keys of the open question.
func (f *form) keys() []key.Binding {
	if e := f.current(); e != nil {
		return e.field.Keys()
	}
	return []key.Binding{bind("enter", "show more settings")}
}

// takesEnter reports whether Enter has a meaning of its own on the open question.
func (f *form) takesEnter() bool {
	return slices.ContainsFunc(f.keys(), func(k key.Binding) bool { return k.Help().Key == "enter" })
}

// takesQuestionMark reports whether a question mark is part of the answer.
func (f *form) takesQuestionMark() bool {
	e := f.current()
	if e == nil || !e.field.TakesText() {
		return false
	}
	_, line := e.field.(*field.Text)
	return !line || e.question.Kind == question.Path
}

// explain makes the open question describe all of its options, or only the current one.
func (f *form) explain(all bool) {
	if e := f.current(); e != nil {
		if explainer, ok := e.field.(field.Explainer); ok {
			explainer.Explain(all)
		}
	}
}

// view draws the form at a width in columns.
func (f *form) view(width int) field.View {
	var view field.View
	asked := f.asked()
	alone := len(asked) == 1 && !f.hasMore()
	for i, e := range asked {
		if i > 0 && (i == f.at || i-1 == f.at) {
			view.Lines = append(view.Lines, "")
		}
		if i != f.at {
			view.Lines = append(view.Lines, e.closed(width))
			continue
		}
		part := e.open(width, f.step.Title, alone)
		view.Focus, view.Until = len(view.Lines)+part.Focus, len(view.Lines)+part.Until
		view.Lines = append(view.Lines, part.Lines...)
	}
	if e := f.current(); f.hasMore() && !f.advanced && !(e != nil && e.field.Modal()) {
		line := "  more settings …"
		if f.at == len(asked) {
			line = f.theme.Selected.Render("› more settings …")
			view.Focus = len(view.Lines) + 1
		} else {
			line = f.theme.Muted.Render(line)
		}
		view.Lines = append(view.Lines, "", layout.Cut(line, width))
	}
	return view
}
