package tui

import (
	"context"
	"strings"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
	"packhouse/setup/question"
	"packhouse/tui/field"
	"packhouse/tui/layout"
)

// form is a step: its questions below each other, of which one is open.
type form struct {
	m        *model
	step     question.Step
	entries  []*entry
	at       int  // among those that are asked now
	advanced bool // the questions that few people need are shown too
	probed   bool // the current answers were probed
	accepted bool // the warnings that trying brought were shown
	top      int  // first line in sight
}

func newForm(m *model, step question.Step) *form {
	f := &form{m: m, step: step}
	for _, q := range step.Questions {
		f.entries = append(f.entries, newEntry(m, q))
	}
	return f
}

// asked are the questions that matter, given the answers so far.
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

// current is the open question; nil on the line that shows more of them.
func (f *form) current() *entry {
	asked := f.asked()
	if f.at < 0 || f.at >= len(asked) {
		return nil
	}
	return asked[f.at]
}

// last is where the pointer can go at most: the line after the questions shows more of them.
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

func (f *form) takesQuestionMark() bool {
	e := f.current()
	if e == nil || !e.field.TakesText() {
		return false
	}
	_, line := e.field.(*field.Text)
	return !line || e.question.Kind == question.Path
}

// key handles a key and reports whether to leave the step, and in which direction.
func (f *form) key(msg tea.KeyMsg, name string) (leave int) {
	e := f.current()
	if e != nil && e.field.Update(msg) {
		f.changed(e)
		return 0
	}
	switch name {
	case "esc":
		return -1
	case "enter":
		if e == nil {
			f.showMore()
			return 0
		}
		if f.at+1 < len(f.asked()) {
			f.move(f.at + 1)
			return 0
		}
		return 1
	case " ":
		if e == nil {
			f.showMore()
		}
	case "tab", "down":
		f.move(f.at + 1)
	case "shift+tab", "up":
		f.move(f.at - 1)
	}
	return 0
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

// changed brings an answer to where it belongs, and the other questions up to date with it.
func (f *form) changed(e *entry) {
	if !e.apply() {
		return
	}
	f.probed, f.accepted = false, false
	for _, other := range f.entries {
		other.tried = nil
		if other != e {
			other.sync()
		}
	}
	e.validate()
	f.at = max(min(f.at, f.last()), 0)
	f.m.refreshPreview()
}

// refuse shows all refusals and opens the first question that has one. It reports whether there are any.
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

// keys are those of the open question.
func (f *form) keys() []key.Binding {
	if e := f.current(); e != nil {
		return e.field.Keys()
	}
	return []key.Binding{key.NewBinding(key.WithKeys("enter"), key.WithHelp("enter", "show more settings"))}
}

// explain has the open question say what each of its options means, or of the one in front only.
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
			line = f.m.theme.Selected.Render("› more settings …")
			view.Focus = len(view.Lines) + 1
		} else {
			line = f.m.theme.Muted.Render(line)
		}
		view.Lines = append(view.Lines, "", layout.Cut(line, width))
	}
	return view
}

// probedMsg brings what trying the answers of a step found.
type probedMsg struct {
	form     *form
	findings map[*entry][]finding.Finding
}

// entryAbout returns the entry of the question that a finding names if that question is shown, else the entry that caused it.
func entryAbout(asked []*entry, f finding.Finding, from *entry) *entry {
	for _, e := range asked {
		if e.question.ID == f.Question {
			return e
		}
	}
	return from
}

// probe tries the answers of the step: binds the port, resolves the name, reads the file.
func (f *form) probe() (tea.Cmd, bool) {
	var tries []*entry
	var doing []string
	for _, e := range f.asked() {
		if e.question.Probe != nil {
			tries = append(tries, e)
			doing = append(doing, strings.ToLower(e.question.Title))
		}
	}
	if len(tries) == 0 {
		return nil, false
	}
	answers, machine, asked := f.m.resolved().Answers, f.m.machine, f.asked()
	return f.m.start("trying "+strings.Join(doing, ", "), func(ctx context.Context, _ func(tea.Msg)) tea.Msg {
		found := make(map[*entry][]finding.Finding)
		for _, e := range tries {
			for _, f := range worded(e.question.Probe(ctx, machine, &answers)) {
				about := entryAbout(asked, f, e)
				found[about] = append(found[about], f)
			}
		}
		return probedMsg{f, found}
	}), true
}
