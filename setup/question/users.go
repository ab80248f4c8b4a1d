package question

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/server/auth/htpasswd"
	"packhouse/setup"
	"packhouse/setup/machine"
)

func usersQuestion() *Question {
	return &Question{
		ID: "users", Step: "users", Title: "Users",
		Kind: Users,
		Flags: []Flag{
			textFlag("admin", "NAME", "name of the administrator (default admin)"),
			listFlag("user", "NAME[:ROLE]", "additional user: reader (default), writer or admin"),
			listFlag("remove-user", "NAME", "user to remove"),
			listFlag("password-file", "NAME=FILE", "file with the password of a user"),
			boolFlag("password-stdin", "read lines NAME:PASSWORD from standard input"),
		}, Main: 1,
		Ask: "Who may use the registry?",
		Help: "A reader pulls, a writer also pushes, an admin also deletes. Give Palette and build machines users " +
			"of their own, so that you can change one password without breaking the others. Passwords are " +
			"stored only as bcrypt hashes. A password that you leave out is generated and shown once.",
		Get: func(a *Answers) string {
			var names []string
			for _, u := range a.Users {
				names = append(names, u.Name+":"+string(u.Role))
			}
			return strings.Join(names, ",")
		},
		Set:      setUsers,
		Validate: validateUsers,
	}
}

func setUsers(a *Answers, text string) error {
	var users []setup.User
	for _, part := range setup.SplitList(text) {
		name, role, err := ParseUser(part)
		if err != nil {
			return err
		}
		user := setup.User{Name: name, Role: role}
		if known := a.User(name); known != nil {
			user.Password, user.Source = known.Password, known.Source
			if role == "" {
				user.Role = known.Role
			}
		}
		if user.Role == "" {
			user.Role = setup.Reader
		}
		users = append(users, user)
	}
	a.Users = users
	return nil
}

// ParseUser parses NAME[:ROLE]. The role is empty if text has none.
func ParseUser(text string) (name string, role setup.Role, err error) {
	name, roleText, given := strings.Cut(text, ":")
	if !given {
		return name, "", nil
	}
	if role = setup.Role(roleText); !slices.Contains(setup.Roles(), role) {
		return "", "", fmt.Errorf("%q is not one of the roles reader, writer, admin", roleText)
	}
	return name, role, nil
}

func validateUsers(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
	var findings []finding.Finding
	seen, admins := map[string]bool{}, 0
	for _, u := range a.Users {
		for _, f := range judgeUser(u, a.Existing.Has(u.Name)) {
			f.Entry, f.Flag = u.Name, cmp.Or(f.Flag, u.Flag)
			findings = append(findings, f)
		}
		if seen[u.Name] {
			findings = append(findings, finding.Finding{
				Severity: finding.Refused, Code: setup.CodeUser, Subject: finding.Subject{Entry: u.Name},
				What: fmt.Sprintf("user %q is there twice", u.Name), Remedy: "remove one of them, or choose another name",
			})
		}
		seen[u.Name] = true
		if u.Role == setup.Admin {
			admins++
		}
	}
	switch {
	case len(a.Users) == 0:
		findings = append(findings,
			setup.Refuse(setup.CodeMissing, "no user would be left to use the registry", "add an admin"))
	case admins == 0:
		findings = append(findings, setup.Refuse(setup.CodeNoAdmin,
			"no admin would be left to delete content or correct mistakes", "make one of the users an admin"))
	}
	return findings
}

// judgeUser validates a single user. existing reports whether the installation has the user already.
func judgeUser(u setup.User, existing bool) []finding.Finding {
	validate := htpasswd.ValidateNewName
	if existing {
		validate = htpasswd.ValidateName
	}
	if err := validate(u.Name); err != nil {
		return refused(setup.CodeUser, err.Error(), "choose another name")
	}
	var findings []finding.Finding
	if !slices.Contains(setup.Roles(), u.Role) {
		findings = append(findings, setup.Refuse(setup.CodeUser, fmt.Sprintf("user %q has the role %q", u.Name, u.Role),
			"choose reader, writer or admin"))
	}
	if u.Source == setup.Typed || u.Source == setup.FromFile || u.Source == setup.FromEnv || u.Source == setup.FromStdin {
		if err := htpasswd.ValidatePassword(u.Name, []byte(u.Password.Reveal())); err != nil {
			f := setup.Refuse(setup.CodePassword, fmt.Sprintf("the password of %q %s", u.Name,
				strings.TrimPrefix(err.Error(), "password ")), "choose another one, or leave it out to have one generated")
			if errors.Is(err, htpasswd.ErrPasswordTooLong) {
				f.Remedy = "choose a shorter one; bcrypt would ignore the rest"
			}
			findings = append(findings, f)
		}
	}
	return findings
}

func realmQuestion() *Question {
	return &Question{
		ID: "realm", Step: "users", Title: "Realm", Advanced: true, Default: setup.OwnName,
		Missing: "the realm is empty", Give: "give a few words, for instance packhouse",
		Flags: []Flag{textFlag("realm", "TEXT", "realm that browsers show when they ask for the password")},
		Ask:   "What shall browsers show when they ask for the password?",
		Help:  "Browsers show it when they ask for the password. Programs ignore it.",
		Validate: func(_ context.Context, _ *machine.Machine, a *Answers) []finding.Finding {
			if i := strings.IndexFunc(a.Realm,
				func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }); i >= 0 {
				return refused(setup.CodeValue, fmt.Sprintf("the realm holds %+q, which does not travel in an HTTP header",
					[]rune(a.Realm[i:])[0]), "use letters, digits and spaces")
			}
			return nil
		},
		Answer: func(a *Answers) *string { return &a.Realm },
	}
}
