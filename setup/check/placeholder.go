package check

import (
	"slices"
	"strings"

	"packhouse/server/auth/htpasswd"
)

// triedPasswords are the placeholders that the check compares with each hash. Each comparison takes
// as long as a login, so the list is short.
var triedPasswords = []string{"yourPasswordHere", "{enter your secure password choice}", "password", "changeme"}

// mostTried is the maximum number of users to check, and costliest the maximum bcrypt cost.
const (
	mostTried = 10
	costliest = 12
)

// placeholderUser returns a user whose password is a placeholder from documentation, or "". It
// tries administrators first.
func (s *session) placeholderUser(file *htpasswd.File) string {
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
		s.doing("trying placeholders for " + name)
		if slices.ContainsFunc(triedPasswords, func(p string) bool { return htpasswd.Verify(hash, []byte(p)) == nil }) {
			return name
		}
	}
	return ""
}

// provePlaceholders fails r if a user's password is a placeholder. With --quick it does nothing.
func (s *session) provePlaceholders(r Result, path string, file *htpasswd.File) Result {
	if s.Quick || r.Status == Failed {
		return r
	}
	if name := s.placeholderUser(file); name != "" {
		return failed(CodePlaceholder, strings.TrimSpace(r.Seen), "the password of "+name+" in "+path+" is a placeholder of documentation, which attackers try first", "packhouse user passwd "+name)
	}
	return r
}
