package field

import (
	"errors"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// formState is the state of a form after a key.
type formState int

const (
	formOpen formState = iota
	formSaved
	formCancelled
)

// userForm is the form for one user: name, role, source of the password and, if typed, the password
// twice.
type userForm struct {
	theme    theme.Theme
	index    int // index of the user in the list; -1: a new one
	before   setup.User
	validate func(candidate setup.User) string

	name   *Text
	role   *Choice
	source *Choice
	secret *Text
	repeat *Text
	fields []Field
	at     int
}

func newUserForm(t theme.Theme, user setup.User, index int, validate func(candidate setup.User) string) *userForm {
	f := &userForm{theme: t, index: index, before: user, validate: validate}
	f.name = NewText(t, TextOptions{Label: "Name", Value: user.Name, MaxBytes: 255, Spaces: true, Check: f.checkName})
	f.role = NewChoice(t, "Role", []Option{
		{Value: string(setup.Reader), Title: "reader", Text: "pulls"},
		{Value: string(setup.Writer), Title: "writer", Text: "also pushes and moves tags"},
		{Value: string(setup.Admin), Title: "admin", Text: "also deletes and overwrites"},
	}, string(user.Role))
	sources := []Option{
		{Value: setup.Generated, Title: "generate one", Text: "28 letters and digits, shown once at the end"},
		{Value: setup.Typed, Title: "type one", Text: "up to 72 bytes, typed twice"},
	}
	chosen := user.Source
	switch user.Source {
	case setup.Kept:
		sources = append([]Option{{Value: setup.Kept, Title: "keep it", Text: "the current password"}}, sources...)
	case setup.FromFile, setup.FromEnv, setup.FromStdin:
		sources = append([]Option{{Value: user.Source, Title: "keep it", Text: "the password that was given"}}, sources...)
	}
	f.source = NewChoice(t, "Password", sources, chosen)
	f.secret = NewSecret(t, "New password", f.checkSecret)
	f.repeat = NewSecret(t, "Repeat password", f.checkRepeat)
	f.arrange()
	f.fields[0].Focus()
	return f
}

// arrange updates the list of visible fields.
func (f *userForm) arrange() {
	f.fields = []Field{f.name, f.role, f.source}
	if f.source.Value() == setup.Typed {
		f.fields = append(f.fields, f.secret, f.repeat)
	}
	f.at = min(f.at, len(f.fields)-1)
}

// user returns the user that the form describes.
func (f *userForm) user() setup.User {
	user := setup.User{Name: f.name.Value(), Role: setup.Role(f.role.Value()), Source: f.source.Value()}
	switch {
	case user.Source == setup.Typed && f.secret.Value() != "":
		user.Password = setup.Secret(f.secret.Value())
	case user.Source == f.before.Source:
		user.Password = f.before.Password
	}
	return user
}

func (f *userForm) checkName(name string) error {
	if name == "" {
		return errors.New("enter a name")
	}
	if problem := f.validate(setup.User{Name: name, Role: setup.Reader, Source: setup.Generated}); problem != "" {
		return errors.New(problem)
	}
	return nil
}

func (f *userForm) checkSecret(password string) error {
	if password == "" {
		if f.typedBefore() {
			return nil
		}
		return errors.New("enter a password")
	}
	if f.checkName(f.name.Value()) != nil {
		return nil // displayed beside the name, and needed to validate the password
	}
	candidate := setup.User{Name: f.name.Value(), Role: setup.Reader, Source: setup.Typed, Password: setup.Secret(password)}
	if problem := f.validate(candidate); problem != "" {
		return errors.New(problem)
	}
	return nil
}

// typedBefore reports whether a password was typed when the form was previously open; leaving both
// fields empty keeps it.
func (f *userForm) typedBefore() bool {
	return f.before.Source == setup.Typed && f.before.Password.Reveal() != ""
}

func (f *userForm) checkRepeat(password string) error {
	if password != f.secret.Value() {
		return errors.New("passwords do not match")
	}
	return nil
}

func (f *userForm) move(by int) bool {
	to := f.at + by
	if to < 0 || to >= len(f.fields) {
		return false
	}
	f.fields[f.at].Blur()
	f.at = to
	f.fields[f.at].Focus()
	return true
}

func (f *userForm) update(msg tea.KeyMsg) formState {
	switch {
	case is(msg, "esc"):
		return formCancelled
	case is(msg, "tab"):
		f.move(1)
	case is(msg, "shift+tab"):
		f.move(-1)
	case is(msg, "enter"):
		if !f.move(1) {
			return f.finish()
		}
	default:
		used := f.fields[f.at].Update(msg)
		f.arrange()
		f.repeat.check()
		switch {
		case used:
		case is(msg, "down"):
			f.move(1)
		case is(msg, "up"):
			f.move(-1)
		}
	}
	return formOpen
}

// finish saves the user, or moves to the field with a problem.
func (f *userForm) finish() formState {
	f.name.check()
	f.secret.check()
	f.repeat.check()
	for i, field := range f.fields {
		field.Touch()
		if field.Problem() != "" {
			f.fields[f.at].Blur()
			f.at = i
			field.Focus()
			return formOpen
		}
	}
	return formSaved
}

func (f *userForm) view(width int) View {
	var view View
	for i, field := range f.fields {
		if i > 0 {
			view.Lines = append(view.Lines, "")
		}
		part := field.View(width)
		if i == f.at {
			view.Focus, view.Until = len(view.Lines)+part.Focus, len(view.Lines)+part.Until
		}
		view.Lines = append(view.Lines, part.Lines...)
		if field == Field(f.secret) {
			if password := f.secret.Value(); password != "" && f.secret.Problem() == "" {
				view.Lines = append(view.Lines, f.theme.Muted.Render(layout.Cut("  "+htpasswd.Strength([]byte(password)), width)))
			}
		}
	}
	return view
}
