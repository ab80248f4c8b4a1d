package check

import (
	"slices"
	"strings"

	"packhouse/printable"
	"packhouse/server/auth/htpasswd"
)

// triedPasswords are the placeholders that the check compares with each hash. Each comparison takes
// as long as a login, so the list is short.
// The user's name and the empty password are compared too.
var triedPasswords = []string{"yourPasswordHere", "{enter your secure password choice}", "password", "changeme"}

// mostTried is the maximum number of users to check, and costliest the maximum bcrypt cost.
const (
	mostTried = 10
	costliest = 12
)

// guessableUser returns a user whose password is a placeholder from documentation, empty or the
// user's name, and which of these it is. It tries administrators first. The user is "" if there is
// none.
func (s *session) guessableUser(file *htpasswd.File) (user, what string) {
	role := func(name string) int {
		for _, u := range s.Users {
			if u.Name == name && u.Role == "admin" {
				return 0
			}
		}
		return 1
	}
	names := file.Users()
	slices.SortStableFunc(names, func(a, b string) int { return role(a) - role(b) })
	for _, name := range names[:min(len(names), mostTried)] {
		hash, _ := file.Lookup(name)
		if cost, err := htpasswd.Cost(hash); err != nil || cost > costliest {
			continue
		}
		s.doing("trying guessable passwords for " + name)
		matches := func(p string) bool { return htpasswd.Verify(hash, []byte(p)) == nil }
		switch {
		case slices.ContainsFunc(triedPasswords, matches):
			return name, "a placeholder of documentation"
		case matches(""):
			return name, "empty"
		case matches(name):
			return name, "the name of the user"
		}
	}
	return "", ""
}

// provePlaceholders fails r if a user's password is one that attackers try first. With --quick it
// does nothing.
func (s *session) provePlaceholders(r Result, path string, file *htpasswd.File) Result {
	if s.Quick || r.Status == Failed {
		return r
	}
	if name, what := s.guessableUser(file); name != "" {
		return failed(CodePlaceholder, strings.TrimSpace(r.Seen),
			"the password of "+name+" in "+path+" is "+what+", which attackers try first",
			"packhouse user passwd "+printable.Shell(name))
	}
	return r
}
