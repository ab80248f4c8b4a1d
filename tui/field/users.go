package field

import (
	"fmt"
	"slices"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// Users is an editor of users: a list, and a form for one user.
type Users struct {
	theme    theme.Theme
	users    []setup.User
	removed  []string // names of existing users to remove
	validate func(users []setup.User) []finding.Finding
	at       int
	form     *userForm
	left     *userForm // a form left without saving
	focused  bool
}

// NewUsers returns the editor. validate validates a list of users; Entry of a finding is the user's name.
func NewUsers(t theme.Theme, users []setup.User, validate func(users []setup.User) []finding.Finding) *Users {
	return &Users{theme: t, users: slices.Clone(users), validate: validate}
}

// Users returns the current list.
func (f *Users) Users() []setup.User { return slices.Clone(f.users) }

// Removed returns the names of existing users to remove.
func (f *Users) Removed() []string { return slices.Clone(f.removed) }

// SetUsers replaces the list.
func (f *Users) SetUsers(users []setup.User) {
	f.users, f.removed, f.left = slices.Clone(users), nil, nil
	f.at = max(min(f.at, len(f.users)), 0)
}

// Explain implements Explainer.
func (f *Users) Explain(all bool) {
	if f.form != nil {
		f.form.role.Explain(all)
		f.form.source.Explain(all)
	}
}

// Focus implements Field.
func (f *Users) Focus() { f.focused = true }

// Blur implements Field. It discards an open form and its input.
func (f *Users) Blur() { f.focused, f.form = false, nil }

// Touch implements Field.
func (f *Users) Touch() {}

// Problem implements Field.
func (f *Users) Problem() string {
	if f.form != nil {
		return "finish or cancel this user first"
	}
	return ""
}

// TakesText implements Field.
func (f *Users) TakesText() bool { return f.form != nil && f.form.fields[f.form.at].TakesText() }

// Modal implements Field.
func (f *Users) Modal() bool { return f.form != nil }

// Keys implements Field.
func (f *Users) Keys() []key.Binding {
	if f.form != nil {
		enter := "save"
		if f.form.at < len(f.form.fields)-1 {
			enter = "next"
		}
		return append(f.form.fields[f.form.at].Keys(), bind("enter", "enter", enter), bind("esc", "esc", "back"))
	}
	if f.at == len(f.users) {
		return []key.Binding{bind("enter", "enter", "add")}
	}
	keys := []key.Binding{bind("a", "a", "add")}
	if f.at < len(f.users) {
		keys = append(keys, bind("e", "e", "edit"), bind("d", "d", "remove"))
	}
	return keys
}

// Update implements Field.
func (f *Users) Update(msg tea.KeyMsg) bool {
	if f.form != nil {
		switch f.form.update(msg) {
		case formCancelled: // reopening restores its state
			f.form, f.left = nil, f.form
		case formSaved:
			f.save()
		case formOpen:
		}
		return true
	}
	switch {
	case is(msg, "up", "k"):
		if f.at == 0 {
			return false
		}
		f.at--
	case is(msg, "down", "j"):
		if f.at >= len(f.users) {
			return false
		}
		f.at++
	case is(msg, "a", "+"), is(msg, "enter", " ") && f.at == len(f.users):
		f.open(-1)
	case is(msg, "e", " ") && f.at < len(f.users):
		f.open(f.at)
	case is(msg, "d", "delete", "backspace") && f.at < len(f.users):
		gone := f.users[f.at]
		f.left = nil
		f.users = slices.Delete(slices.Clone(f.users), f.at, f.at+1)
		f.at = max(min(f.at, len(f.users)-1), 0) // a position where enter continues and does not add a user
		if gone.Source == setup.Kept && !slices.Contains(f.removed, gone.Name) {
			f.removed = append(f.removed, gone.Name)
		}
	default:
		return false
	}
	return true
}

// open opens the form for the user at an index, or for a new one.
func (f *Users) open(index int) {
	if left := f.left; left != nil && left.index == index {
		f.form, f.left = left, nil
		return
	}
	user := setup.User{Role: setup.Reader, Source: setup.Generated}
	if !slices.ContainsFunc(f.users, func(u setup.User) bool { return u.Role == setup.Admin }) {
		user.Role = setup.Admin // the first user must be an admin
	}
	if index >= 0 {
		user = f.users[index]
	}
	validate := func(candidate setup.User) string {
		users := slices.Clone(f.users)
		if index >= 0 {
			users[index] = candidate
		} else {
			users = append(users, candidate)
		}
		for i, other := range users {
			if other.Name == candidate.Name && i != index && !(index < 0 && i == len(users)-1) {
				return fmt.Sprintf("user %q already exists", candidate.Name)
			}
		}
		if f.validate == nil {
			return ""
		}
		for _, found := range f.validate(users) {
			if found.Severity == finding.Refused && found.Entry == candidate.Name {
				return found.Sentence()
			}
		}
		return ""
	}
	f.form = newUserForm(f.theme, user, index, validate)
}

func (f *Users) save() {
	user, index := f.form.user(), f.form.index
	f.form, f.left = nil, nil
	if index < 0 {
		f.users = append(f.users, user)
		f.at = len(f.users) - 1
	} else {
		f.users[index] = user
	}
	f.removed = slices.DeleteFunc(f.removed, func(name string) bool { return name == user.Name })
}

// View implements Field.
func (f *Users) View(width int) View {
	if f.form != nil {
		return f.form.view(width)
	}
	var view View
	widest := len("name")
	for _, user := range f.users {
		widest = max(widest, ansi.StringWidth(user.Name))
	}
	nameWidth := min(widest, max(width-30, 8))
	row := func(i int, text string, note string) {
		pointer, style := "  ", f.theme.Plain
		if i == f.at {
			view.Focus = len(view.Lines)
			if f.focused {
				pointer, style = f.theme.Accent.Render(theme.Pointer)+" ", f.theme.Selected
			}
		}
		view.Lines = append(view.Lines, layout.Cut(pointer+style.Render(text)+f.theme.Muted.Render(note), width))
	}
	for i, user := range f.users {
		row(i, layout.Pad(user.Name, nameWidth)+"  "+layout.Pad(string(user.Role), 6), "  "+source(user))
	}
	row(len(f.users), "+ add a user", "")
	return view
}

// source describes where a password comes from, without revealing it.
func source(user setup.User) string {
	switch user.Source {
	case setup.Kept:
		return "password kept"
	case setup.Typed:
		return "password typed"
	case setup.FromFile, setup.FromEnv, setup.FromStdin:
		return "password given"
	}
	return "password generated"
}
