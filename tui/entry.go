package tui

import (
	"errors"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/question"
	"packhouse/tui/field"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// entry is one question and the field it is answered in.
type entry struct {
	m        *model
	question *question.Question
	field    field.Field
	known    string // the answer as the field shows it
	typed    string // into a field whose text is hidden
	problem  string // why what the field holds cannot be an answer
	findings []finding.Finding
	tried    []finding.Finding // what trying it found
	touched  bool
}

func newEntry(m *model, q *question.Question) *entry {
	e := &entry{m: m, question: q, known: q.Get(&m.answers)}
	t := m.theme
	switch q.Kind {
	case question.Choice:
		e.field = field.NewChoice(t, "", e.options(), e.known)
	case question.Confirm:
		e.field = field.NewYesNo(t, "", e.known == "true")
	case question.Names:
		e.field = field.NewMany(t, rowsOf(m.answers.SANs), "add a name or address", e.checkName)
	case question.Users:
		e.field = field.NewUsers(t, m.answers.Users, e.judgeUsers)
	case question.Hidden:
		e.field = field.NewHidden(t, e.known)
	default:
		options := field.TextOptions{Value: e.known, Spaces: q.Kind == question.Path || q.Kind == question.Text}
		if q.Kind == question.Path {
			options.Complete = new(completer).complete
		}
		line := field.NewText(t, options)
		if q.Suggest != nil {
			line.Suggest(q.Suggest(m.machine, &m.answers))
		}
		e.field = line
	}
	return e
}

func (e *entry) asked() bool { return e.question.Asked == nil || e.question.Asked(&e.m.answers) }

func (e *entry) options() []field.Option {
	if e.question.Choices == nil {
		return nil
	}
	var out []field.Option
	for _, o := range e.question.Choices(e.m.machine, &e.m.answers) {
		out = append(out,
			field.Option{Value: o.Value, Title: clean(o.Title), Text: clean(o.Text), Disabled: clean(o.Disabled)})
	}
	return out
}

// sync brings the field up to date with answers that changed elsewhere.
func (e *entry) sync() {
	now := e.question.Get(&e.m.answers)
	switch f := e.field.(type) {
	case *field.Choice:
		if e.question.Kind == question.Choice {
			f.SetOptions(e.options(), now)
		} else if now != e.known {
			f.Select(now)
		}
	case *field.Many:
		f.SetRows(rowsOf(e.m.answers.SANs))
	case *field.Users:
		if !slices.Equal(f.Users(), e.m.answers.Users) { // passwords alone may have changed
			f.SetUsers(e.m.answers.Users)
		}
	case *field.Text:
		if e.question.Suggest != nil && e.question.Kind != question.Hidden {
			f.Suggest(e.question.Suggest(e.m.machine, &e.m.answers))
		}
		if now != e.known && e.question.Kind != question.Hidden {
			f.Set(now)
			e.problem = ""
		}
	}
	e.known = now
	e.validate()
}

// apply copies the answer from the field and reports whether it changed.
func (e *entry) apply() bool {
	var err error
	answers := &e.m.answers
	switch f := e.field.(type) {
	case *field.Many:
		sans := sansOf(f.Rows())
		if slices.Equal(sans, answers.SANs) {
			return false
		}
		answers.SANs = sans
	case *field.Users:
		users := f.Users()
		if slices.Equal(users, answers.Users) {
			return false
		}
		answers.Users = users
		for _, name := range f.Removed() {
			if !slices.Contains(answers.RemoveUsers, name) {
				answers.RemoveUsers = append(slices.Clone(answers.RemoveUsers), name)
			}
		}
		answers.RemoveUsers = slices.DeleteFunc(slices.Clone(answers.RemoveUsers), func(name string) bool { return answers.User(name) != nil })
	case *field.Choice:
		if f.Value() == e.known {
			return false
		}
		err = e.question.Set(answers, f.Value())
	case *field.Text:
		before := e.known
		if e.question.Kind == question.Hidden {
			before, e.typed = e.typed, f.Value()
		}
		if f.Value() == before && e.problem == "" {
			return false
		}
		err = e.question.Set(answers, f.Value())
	}
	e.touched = true
	e.problem = ""
	if err != nil {
		e.problem = err.Error()
		return true
	}
	e.m.origins[e.question.ID] = answer.FromTyping
	e.known = e.question.Get(answers)
	return true
}

// validate validates the answer.
func (e *entry) validate() {
	e.findings = nil
	if e.question.Validate != nil {
		e.findings = worded(e.question.Validate(e.m.ctx, e.m.machine, &e.m.answers))
	}
}

// refused reports whether the answer is refused.
func (e *entry) refused() bool {
	return e.problem != "" || e.field.Problem() != "" || finding.AnyRefused(e.findings) || finding.AnyRefused(e.tried)
}

// checkName validates one name before it is added to the list.
func (e *entry) checkName(name string) error {
	answers := e.m.resolved().Answers
	answers.SANs = append(answers.SANs, setup.SAN{Name: name, Ticked: true, Origin: setup.SANTyped})
	if e.question.Validate == nil {
		return nil
	}
	for _, f := range worded(e.question.Validate(e.m.ctx, e.m.machine, &answers)) {
		if f.Severity == finding.Refused && f.Entry == name {
			return errors.New(clean(f.Sentence()))
		}
	}
	return nil
}

func (e *entry) judgeUsers(users []setup.User) []finding.Finding {
	if e.question.Validate == nil {
		return nil
	}
	answers := e.m.resolved().Answers
	answers.Users = users
	return worded(e.question.Validate(e.m.ctx, e.m.machine, &answers))
}

// shown are the findings worth drawing, the gravest first and each once.
func (e *entry) shown() []finding.Finding {
	var out []finding.Finding
	if e.problem != "" {
		out = append(out, finding.Finding{Severity: finding.Refused, What: e.problem})
	}
	if line, ok := e.field.(*field.Text); ok && e.question.Empty != "" && e.known == "" && line.Value() == "" &&
		e.problem == "" {
		out = append(out, finding.Finding{Severity: finding.Note, What: "empty means: " + e.question.Empty})
	}
	if whole := e.wholePath(); whole != "" {
		out = append(out, finding.Finding{Severity: finding.Note, What: "that is " + whole})
	}
	for _, severity := range []finding.Severity{finding.Refused, finding.Warning, finding.Note} {
		for _, f := range slices.Concat(e.findings, e.tried, e.glance()) {
			if f.Severity != severity || severity == finding.Refused && !e.touched && e.known == "" {
				continue
			}
			if !slices.ContainsFunc(out, func(o finding.Finding) bool { return o.What == f.What }) {
				out = append(out, f)
			}
		}
	}
	return out
}

// wholePath returns the absolute form of a path that is relative or begins with ~, or "" if it is absolute already.
func (e *entry) wholePath() string {
	line, ok := e.field.(*field.Text)
	if !ok || e.question.Kind != question.Path || e.problem != "" || line.Value() == "" ||
		strings.HasPrefix(line.Value(), "/") || e.known == line.Value() {
		return ""
	}
	return e.known
}

// open draws the question that is being answered.
func (e *entry) open(width int, step string, alone bool) field.View {
	t := e.m.theme
	var view field.View
	if !alone && e.question.Title != step {
		view.Lines = append(view.Lines,
			layout.Ends(t.Title.Render(clean(e.question.Title)), t.Muted.Render(e.origin()), width))
	}
	view.Lines = append(view.Lines, layout.Wrap(clean(e.question.Ask), width)...)
	view.Lines = append(view.Lines, "")
	part := e.field.View(width)
	view.Focus, view.Until = len(view.Lines)+part.Focus, len(view.Lines)+part.Until
	view.Lines = append(view.Lines, part.Lines...)
	if e.field.Modal() {
		return view // faults of the list are shown when the form is closed
	}
	shown := e.shown()
	if _, line := e.field.(*field.Text); !line && len(shown) > 0 {
		view.Lines = append(view.Lines, "")
	}
	for _, f := range shown {
		view.Lines = append(view.Lines, e.m.drawFinding(f, width)...)
		view.Until = len(view.Lines) - 1
	}
	if alone || e.question.Title == step {
		if origin := e.origin(); origin != "" {
			view.Lines = append(view.Lines, "", t.Muted.Render(layout.Cut("  "+origin, width)))
		}
	}
	return view
}

// answer returns the answer in words, on one line.
func (e *entry) answer() string {
	value := clean(e.known)
	if f, ok := e.field.(*field.Choice); ok {
		value = f.Title()
	}
	switch {
	case value != "":
		return value
	case e.question.Empty != "":
		return "(" + clean(e.question.Empty) + ")"
	}
	return "(none)"
}

// closed draws a question that is not being answered, in one line.
func (e *entry) closed(width int) string {
	t := e.m.theme
	value := e.answer()
	sign := "  "
	if e.touched && e.refused() {
		sign = t.Bad.Render(theme.Failed) + " "
	}
	label := layout.Pad(clean(e.question.Title), min(20, width/3))
	return layout.Cut(sign+t.Muted.Render(label)+"  "+value, width)
}

func (e *entry) origin() string { return originWords(e.m.origins[e.question.ID]) }

func rowsOf(sans []setup.SAN) []field.Row {
	out := make([]field.Row, len(sans))
	for i, san := range sans {
		out[i] = field.Row{
			Name: clean(san.Name), Note: clean(san.Origin), Ticked: san.Ticked, Own: san.Origin == setup.SANTyped,
		}
	}
	return out
}

func sansOf(rows []field.Row) []setup.SAN {
	out := make([]setup.SAN, len(rows))
	for i, row := range rows {
		out[i] = setup.SAN{Name: row.Name, Ticked: row.Ticked, Origin: row.Note}
	}
	return out
}
