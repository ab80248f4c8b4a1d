package tui

import (
	"errors"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/question"
	"packhouse/tui/describe"
	"packhouse/tui/field"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// entry is a question and its input field.
type entry struct {
	*ui
	question *question.Question
	field    field.Field
	glance   *glance
	known    string // the answer that the field shows
	typed    string // the content of a field whose text is hidden
	problem  string // why the content of the field cannot be an answer
	findings []finding.Finding
	tried    []finding.Finding // findings of the probe
	touched  bool              // the user was at the question
}

func newEntry(u *ui, q *question.Question, g *glance) *entry {
	e := &entry{ui: u, question: q, glance: g, known: u.session.Get(q)}
	t := e.theme
	switch q.Kind {
	case question.Choice:
		e.field = field.NewChoice(t, "", e.options(), e.known)
	case question.Confirm:
		e.field = field.NewYesNo(t, "", e.known == "true")
	case question.Names:
		e.field = field.NewMany(t, rowsOf(e.session.Answers.SANs), "add a name or address", e.checkName)
	case question.Users:
		e.field = field.NewUsers(t, e.session.Answers.Users, e.checkUsers)
	case question.Hidden:
		e.field = field.NewHidden(t, e.known)
	default:
		options := field.TextOptions{Value: e.known, Spaces: q.Kind == question.Path || q.Kind == question.Text}
		if q.Kind == question.Path {
			options.Complete = new(field.Completer).Complete
		}
		line := field.NewText(t, options)
		if q.Suggest != nil {
			line.Suggest(q.Suggest(e.session.Machine, &e.session.Answers))
		}
		e.field = line
	}
	return e
}

func (e *entry) asked() bool { return e.session.Asked(e.question) }

func (e *entry) options() []field.Option {
	if e.question.Choices == nil {
		return nil
	}
	var out []field.Option
	for _, o := range e.question.Choices(e.session.Machine, &e.session.Answers) {
		out = append(out,
			field.Option{Value: o.Value, Title: layout.Clean(o.Title), Text: layout.Clean(o.Text), Disabled: layout.Clean(o.Disabled)})
	}
	return out
}

// sync updates the field after answers changed elsewhere.
func (e *entry) sync() {
	now := e.session.Get(e.question)
	switch f := e.field.(type) {
	case *field.Choice:
		if e.question.Kind == question.Choice {
			f.SetOptions(e.options(), now)
		} else if now != e.known {
			f.Select(now)
		}
	case *field.Many:
		f.SetRows(rowsOf(e.session.Answers.SANs))
	case *field.Users:
		if !slices.Equal(f.Users(), e.session.Answers.Users) { // passwords alone may have changed
			f.SetUsers(e.session.Answers.Users)
		}
	case *field.Text:
		if e.question.Suggest != nil && e.question.Kind != question.Hidden {
			f.Suggest(e.question.Suggest(e.session.Machine, &e.session.Answers))
		}
		if now != e.known && e.question.Kind != question.Hidden {
			f.Set(now)
			e.problem = ""
		}
	}
	e.known = now
	e.validate()
}

// apply stores the content of the field as the answer, and reports whether it changed.
func (e *entry) apply() bool {
	var err error
	switch f := e.field.(type) {
	case *field.Many:
		names := sansOf(f.Rows())
		if slices.Equal(names, e.session.Answers.SANs) {
			return false
		}
		e.session.SetNames(e.question, names)
	case *field.Users:
		users := f.Users()
		if slices.Equal(users, e.session.Answers.Users) {
			return false
		}
		e.session.SetUsers(e.question, users, f.Removed())
	case *field.Choice:
		if f.Value() == e.known {
			return false
		}
		err = e.session.Set(e.question, f.Value())
	case *field.Text:
		before := e.known
		if e.question.Kind == question.Hidden {
			before, e.typed = e.typed, f.Value()
		}
		if f.Value() == before && e.problem == "" {
			return false
		}
		err = e.session.Set(e.question, f.Value())
	}
	e.touched = true
	e.problem = ""
	if err != nil {
		e.problem = err.Error()
		return true
	}
	e.known = e.session.Get(e.question)
	return true
}

// validate validates the answer.
func (e *entry) validate() { e.findings = e.session.Validate(e.ctx, e.question) }

// refused reports whether the answer is refused.
func (e *entry) refused() bool {
	return e.problem != "" || e.field.Problem() != "" || finding.AnyRefused(e.findings) || finding.AnyRefused(e.tried)
}

// checkName validates a name before it is added to the list.
func (e *entry) checkName(name string) error {
	answers := e.session.Resolved().Answers
	answers.SANs = append(answers.SANs, setup.SAN{Name: name, Ticked: true, Origin: setup.SANTyped})
	for _, f := range e.session.ValidateWith(e.ctx, e.question, &answers) {
		if f.Severity == finding.Refused && f.Entry == name {
			return errors.New(layout.Clean(f.Sentence()))
		}
	}
	return nil
}

// checkUsers validates a list of users before it becomes the answer.
func (e *entry) checkUsers(users []setup.User) []finding.Finding {
	answers := e.session.Resolved().Answers
	answers.Users = users
	return e.session.ValidateWith(e.ctx, e.question, &answers)
}

// shown returns the findings to draw, the most severe first and each once.
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
		for _, f := range slices.Concat(e.findings, e.tried, e.glanced()) {
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

// glanced returns the findings about the answer while it is typed. Those of a probe take
// precedence.
func (e *entry) glanced() []finding.Finding {
	if e.refused() || len(e.tried) > 0 {
		return nil
	}
	return e.glance.about(e.question.ID)
}

// wholePath returns the absolute form of a path that is relative or begins with ~, or "" if it is
// absolute already.
func (e *entry) wholePath() string {
	line, ok := e.field.(*field.Text)
	if !ok || e.question.Kind != question.Path || e.problem != "" || line.Value() == "" ||
		strings.HasPrefix(line.Value(), "/") || e.known == line.Value() {
		return ""
	}
	return e.known
}

// open draws the open question.
func (e *entry) open(width int, step string, alone bool) field.View {
	t := e.theme
	var view field.View
	if !alone && e.question.Title != step {
		view.Lines = append(view.Lines,
			layout.Ends(t.Title.Render(layout.Clean(e.question.Title)), t.Muted.Render(e.origin()), width))
	}
	view.Lines = append(view.Lines, layout.Wrap(layout.Clean(e.question.Ask), width)...)
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
		view.Lines = append(view.Lines, e.drawFinding(f, width)...)
		view.Until = len(view.Lines) - 1
	}
	if alone || e.question.Title == step {
		if origin := e.origin(); origin != "" {
			view.Lines = append(view.Lines, "", t.Muted.Render(layout.Cut("  "+origin, width)))
		}
	}
	return view
}

// closed draws a question that is not open, in one line.
func (e *entry) closed(width int) string {
	t := e.theme
	value := layout.Clean(e.session.Describe(e.question))
	sign := "  "
	if e.touched && e.refused() {
		sign = t.Bad.Render(theme.Failed) + " "
	}
	label := layout.Pad(layout.Clean(e.question.Title), min(20, width/3))
	return layout.Cut(sign+t.Muted.Render(label)+"  "+value, width)
}

func (e *entry) origin() string { return describe.Origin(e.session.Origins[e.question.ID]) }

func rowsOf(sans []setup.SAN) []field.Row {
	out := make([]field.Row, len(sans))
	for i, san := range sans {
		out[i] = field.Row{
			Name: layout.Clean(san.Name), Note: layout.Clean(san.Origin), Ticked: san.Ticked, Own: san.Origin == setup.SANTyped,
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
