package field

import (
	"errors"
	"os"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"packhouse/setup"
	"packhouse/tui/theme"
)

var looks = theme.For(os.Stderr, true)

func press(f Field, keys ...tea.KeyType) {
	for _, k := range keys {
		f.Update(tea.KeyMsg{Type: k})
	}
}

func enter(f Field, text string) {
	for _, r := range text {
		f.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune{r}})
	}
}

func paste(f Field, text string) {
	f.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text), Paste: true})
}

func drawn(f Field) string { return ansi.Strip(strings.Join(f.View(60).Lines, "\n")) }

func TestInvisible(t *testing.T) {
	for text, want := range map[string]string{
		"registry.example.com": "", "münchen.example": "", "日本語": "", "a b": "", "e\u0301": "",
		"a\u202eb": "U+202E (right-to-left override)", "\u200d": "U+200D (zero width joiner)", "\ufeff": "U+FEFF (byte order mark)",
		"\x00": "U+0000 (null)", "\u0085": "U+0085 (control character)", "\u00a0": "U+00A0 (no-break space)", "\u2003": "U+2003 (special space)",
		"\ue000": "U+E000 (invisible character)", "x\ufe0f": "U+FE0F (invisible character)", "\xff": "U+FFFD (replacement character, so the bytes were not UTF-8)",
		"\u3164": "U+3164 (Hangul filler)", "\u2028": "U+2028 (line separator)",
	} {
		if got := Invisible(text); got != want {
			t.Errorf("Invisible(%+q) = %q, want %q", text, got, want)
		}
	}
}

func TestTextCountsBytes(t *testing.T) {
	f := NewText(looks, TextOptions{MaxBytes: 4})
	f.Focus()
	enter(f, "éé")
	if f.Value() != "éé" {
		t.Fatalf("value %q", f.Value())
	}
	enter(f, "x")
	if f.Value() != "éé" || !strings.Contains(drawn(f), "5 bytes exceed the limit of 4") {
		t.Errorf("value %q:\n%s", f.Value(), drawn(f))
	}
}

func TestTextKeepsQuietUntilTouched(t *testing.T) {
	f := NewText(looks, TextOptions{Check: func(string) error { return errors.New("is missing") }})
	f.Focus()
	if strings.Contains(drawn(f), "is missing") {
		t.Error("an empty field complains before anybody did anything")
	}
	if f.Problem() == "" {
		t.Error("it has a problem all the same")
	}
	f.Touch()
	if !strings.Contains(drawn(f), "✗ is missing") {
		t.Errorf("touched:\n%s", drawn(f))
	}
}

func TestSuggestions(t *testing.T) {
	f := NewText(looks, TextOptions{Suggestions: []string{"registry.example.com"}})
	f.Focus()
	enter(f, "reg")
	press(f, tea.KeyRight)
	if f.Value() != "registry.example.com" {
		t.Errorf("value %q", f.Value())
	}
	f.Set("")
	press(f, tea.KeyRight)
	if f.Value() != "registry.example.com" {
		t.Errorf("from an empty field: %q", f.Value())
	}
}

func TestSecretIsNeverDrawn(t *testing.T) {
	f := NewSecret(looks, "Password", nil)
	f.Focus()
	enter(f, "hunter2 ä")
	if got := drawn(f); strings.Contains(got, "hunter") || !strings.Contains(got, "•••••••••") {
		t.Errorf("drawn:\n%s", got)
	}
	if f.Value() != "hunter2 ä" {
		t.Errorf("value %q", f.Value())
	}
}

func TestChoicePassesOverWhatCannotBeChosen(t *testing.T) {
	f := NewChoice(looks, "", []Option{{Value: "a", Title: "A"}, {Value: "b", Title: "B", Disabled: "not here"}, {Value: "c", Title: "C"}}, "a")
	f.Focus()
	press(f, tea.KeyDown)
	if f.Value() != "c" {
		t.Errorf("value %q", f.Value())
	}
	if f.Update(tea.KeyMsg{Type: tea.KeyDown}) {
		t.Error("the key at the end belongs to the form")
	}
	if !strings.Contains(drawn(f), "not here") {
		t.Errorf("the reason is missing:\n%s", drawn(f))
	}
	none := NewChoice(looks, "", []Option{{Value: "b", Title: "B", Disabled: "not here"}}, "")
	if none.Problem() == "" || none.Value() != "" || none.Title() != "" {
		t.Error("nothing can be chosen, and it says so")
	}
}

// TestManyThatIsEmptyIsLeft: enter adds to an empty list, and enter without a name is the wizard's, which goes on.
func TestManyThatIsEmptyIsLeft(t *testing.T) {
	enter := tea.KeyMsg{Type: tea.KeyEnter}
	f := NewMany(looks, nil, "add", nil)
	f.Focus()
	for _, want := range []bool{true, false, true, false} {
		if took := f.Update(enter); took != want {
			t.Errorf("enter is taken: %v, want %v", took, want)
		}
	}
	f = NewMany(looks, []Row{{Name: "a.example"}}, "add", nil)
	f.Focus()
	press(f, tea.KeyDown)
	for _, want := range []bool{true, true, false} {
		if took := f.Update(enter); took != want {
			t.Errorf("beside a name enter is taken: %v, want %v", took, want)
		}
	}
}

func TestManyTakesSeveralAtOnce(t *testing.T) {
	check := func(name string) error {
		if strings.Contains(name, "*") {
			return errors.New("wildcards are refused")
		}
		return nil
	}
	f := NewMany(looks, []Row{{Name: "a.example", Note: "eth0"}}, "add", check)
	f.Focus()
	paste(f, "b.example, A.example\n*.example c\u200b.example")
	rows := f.Rows()
	if len(rows) != 2 || !rows[0].Ticked || rows[1].Name != "b.example" || !rows[1].Own {
		t.Errorf("rows %+v", rows)
	}
	if got := drawn(f); !strings.Contains(got, `not added: "*.example" wildcards are refused`) || !strings.Contains(got, "a name contains U+200B") {
		t.Errorf("findings about refused names:\n%s", got)
	}
	paste(f, "*1 *2 *3 *4 *5 a.example")
	if got := drawn(f); !strings.Contains(got, `"*3" wildcards`) || strings.Contains(got, "*4") || !strings.Contains(got, "and 2 more that were not added") {
		t.Errorf("the first ones are told, and how many more, and here is:\n%s", got)
	}
	press(f, tea.KeyDown)
	enter(f, "d")
	if rows := f.Rows(); len(rows) != 1 {
		t.Errorf("an own row is removed: %+v", rows)
	}
	enter(f, "kd")
	if rows := f.Rows(); len(rows) != 1 || rows[0].Ticked {
		t.Errorf("another one is only unticked: %+v", rows)
	}
	enter(f, "ax*")
	if !f.Modal() || !f.TakesText() || !strings.Contains(drawn(f), "wildcards are refused") {
		t.Errorf("while adding:\n%s", drawn(f))
	}
	press(f, tea.KeyEnter)
	if len(f.Rows()) != 1 {
		t.Error("a refused name was added")
	}
	press(f, tea.KeyEsc)
	if f.Modal() {
		t.Error("escape does not close it")
	}
}

// TestUsersFormIsKept: escape leaves a form, and what was typed in it is there when it is opened again.
func TestUsersFormIsKept(t *testing.T) {
	f := NewUsers(looks, []setup.User{{Name: "admin", Role: setup.Admin, Source: setup.Kept}}, nil)
	f.Focus()
	enter(f, "aspectro")
	press(f, tea.KeyTab, tea.KeyDown, tea.KeyEsc)
	if f.Modal() || len(f.Users()) != 1 {
		t.Fatal("escape does not leave the form, or saves it")
	}
	enter(f, "e") // another one is not mistaken for it
	if got := drawn(f); !strings.Contains(got, "admin") || strings.Contains(got, "spectro") {
		t.Errorf("the form of admin:\n%s", got)
	}
	press(f, tea.KeyEsc)
	f = NewUsers(looks, nil, nil) // it takes an admin, to begin with
	enter(f, "aspectro")
	press(f, tea.KeyTab, tea.KeyUp, tea.KeyEsc)
	enter(f, "a")
	if got := drawn(f); !strings.Contains(got, "spectro") || !strings.Contains(got, "(•) writer") {
		t.Errorf("what was typed is gone:\n%s", got)
	}
	press(f, tea.KeyEnter, tea.KeyEnter)
	enter(f, "a")
	if got := drawn(f); len(f.Users()) != 1 || strings.Contains(got, "spectro") {
		t.Errorf("a new form begins with the user before:\n%s", got)
	}
}

func TestUsersKeepAndRemove(t *testing.T) {
	f := NewUsers(looks, []setup.User{{Name: "admin", Role: setup.Admin, Source: setup.Kept}, {Name: "bob", Role: setup.Reader, Source: setup.Kept}}, nil)
	f.Focus()
	enter(f, "e")
	if got := drawn(f); !strings.Contains(got, "(•) keep it") {
		t.Fatalf("the password of an existing user stays:\n%s", got)
	}
	press(f, tea.KeyTab, tea.KeyUp, tea.KeyTab, tea.KeyDown, tea.KeyEnter) // role writer, password generated
	if user := f.Users()[0]; user.Role != setup.Writer || user.Source != setup.Generated {
		t.Errorf("user %+v", user)
	}
	press(f, tea.KeyDown)
	enter(f, "d")
	if got := f.Removed(); len(got) != 1 || got[0] != "bob" || len(f.Users()) != 1 {
		t.Errorf("removed %q of %+v", got, f.Users())
	}
	enter(f, "abob")
	press(f, tea.KeyEnter, tea.KeyEnter, tea.KeyEnter)
	if got := f.Removed(); len(got) != 0 {
		t.Errorf("bob is back, and still to be removed: %q", got)
	}
}

func TestTypedPasswordIsKeptWhenLeftAlone(t *testing.T) {
	f := NewUsers(looks, []setup.User{{Name: "bob", Role: setup.Reader, Source: setup.Typed, Password: "staple-4711"}}, nil)
	f.Focus()
	enter(f, "e")
	press(f, tea.KeyEnter, tea.KeyEnter, tea.KeyEnter, tea.KeyEnter, tea.KeyEnter)
	if user := f.Users()[0]; f.Modal() || user.Password.Reveal() != "staple-4711" || user.Source != setup.Typed {
		t.Errorf("open %v, user %+v", f.Modal(), user.Source)
	}
	enter(f, "e")
	press(f, tea.KeyEnter, tea.KeyEnter, tea.KeyEnter)
	enter(f, "other-0815")
	press(f, tea.KeyEnter, tea.KeyEnter)
	if !f.Modal() || !strings.Contains(drawn(f), "passwords do not match") {
		t.Errorf("the second line is needed:\n%s", drawn(f))
	}
}

func FuzzText(f *testing.F) {
	f.Add("plain", "pasted\ntext", 20)
	f.Fuzz(func(t *testing.T, text, pasted string, width int) {
		width = 1 + max(width%100, 0)
		line := NewText(looks, TextOptions{MaxBytes: 100, Spaces: true})
		line.Focus()
		enter(line, text)
		paste(line, pasted)
		press(line, tea.KeyLeft, tea.KeyLeft, tea.KeyBackspace, tea.KeyHome, tea.KeyDelete, tea.KeyEnd, tea.KeyCtrlW)
		if Invisible(line.Value()) != "" || len(line.Value()) > 100 {
			t.Fatalf("value %+q", line.Value())
		}
		for _, row := range line.View(width).Lines {
			if got := ansi.StringWidth(row); got > max(width, 4) {
				t.Fatalf("%q is %d wide, want %d", row, got, width)
			}
		}
	})
}

// TestNoSpaceIsSwallowed types a space into every kind of line: the line holds it, or says why not.
func TestNoSpaceIsSwallowed(t *testing.T) {
	space := tea.KeyMsg{Type: tea.KeySpace, Runes: []rune{' '}}
	for name, spaces := range map[string]bool{"text": true, "number": false} {
		line := NewText(looks, TextOptions{Value: "a", Spaces: spaces})
		line.Focus()
		line.Update(space)
		line.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("b")})
		if got := line.Value(); spaces && got != "a b" {
			t.Errorf("%s: %q, want a space in it", name, got)
		}
		line.Update(space)
		if said := strings.Join(line.View(40).Lines, "\n"); !spaces && !strings.Contains(said, "no spaces are allowed here") {
			t.Errorf("%s: the space is gone without a word:\n%s", name, said)
		}
	}
	many := NewMany(looks, nil, "add a name", nil)
	many.Focus()
	many.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("a")})
	many.Update(space)
	if said := strings.Join(many.View(40).Lines, "\n"); !strings.Contains(said, "no spaces are allowed here") {
		t.Errorf("names: the space is gone without a word:\n%s", said)
	}
	secret := NewSecret(looks, "", nil)
	secret.Focus()
	secret.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(" a b \r\n"), Paste: true})
	if got := secret.Value(); got != " a b " {
		t.Errorf("a pasted password is %q", got)
	}
}
