package field

import (
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup"
)

// What is wrong with a name is said beside the name, and not once more beside the password.
func TestUsersFormSaysItOnce(t *testing.T) {
	f := NewUsers(looks, []setup.User{{Name: "admin", Role: setup.Admin, Source: setup.Kept}}, nil)
	f.Focus()
	enter(f, "aadmin")
	press(f, tea.KeyTab, tea.KeyTab, tea.KeyDown, tea.KeyTab)
	enter(f, "tr0mbone-Lantern-88")
	press(f, tea.KeyTab)
	enter(f, "tr0mbone-Lantern-88")
	press(f, tea.KeyEnter)
	if got := drawn(f); strings.Count(got, `user "admin" already exists`) != 1 || !f.Modal() {
		t.Errorf("the form of a name that is taken:\n%s", got)
	}
}

// Whoever comes first is an admin unless something else is chosen: without one nobody could put things right.
func TestUsersFormBeginsWithAnAdmin(t *testing.T) {
	for _, row := range []struct {
		users []setup.User
		want  setup.Role
	}{
		{nil, setup.Admin},
		{[]setup.User{{Name: "ci", Role: setup.Writer}}, setup.Admin},
		{[]setup.User{{Name: "admin", Role: setup.Admin}}, setup.Reader},
	} {
		f := NewUsers(looks, row.users, nil)
		f.Focus()
		enter(f, "anew")
		press(f, tea.KeyEnter, tea.KeyEnter, tea.KeyEnter)
		users := f.Users()
		if got := users[len(users)-1]; got.Name != "new" || got.Role != row.want {
			t.Errorf("beside %v came %v, want a %s", row.users, got, row.want)
		}
	}
}
