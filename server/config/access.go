package config

import (
	"fmt"
	"slices"
	"strings"
)

// EveryRepository is the pattern of a [Rule] that matches every repository.
const EveryRepository = "**"

// ranks are the roles, each with the rights of the ones before it. The first is no role.
var ranks = [...]string{"", "reader", "writer", "admin"}

func rank(role string) int { return slices.Index(ranks[:], role) }

// names reports whether a rule applies to a user.
func (r Rule) names(user string) bool {
	return slices.Contains(r.Users, user) || slices.Contains(r.Users, EveryUser)
}

// Access returns the role of a user in every repository, or "" if there is none, and the rules that
// give the user a higher role in some repositories. Without rules every user is a reader.
func (h *Htpasswd) Access(user string) (everywhere string, further []Rule) {
	raise := func(role string, applies bool) {
		if applies && rank(role) > rank(everywhere) {
			everywhere = role
		}
	}
	raise("reader", len(h.Rules) == 0)
	raise("writer", slices.Contains(h.Roles.Writer, user))
	raise("admin", slices.Contains(h.Roles.Admin, user))
	for _, r := range h.Rules {
		raise(r.Role, r.Repositories == EveryRepository && r.names(user))
	}
	for _, r := range h.Rules {
		if r.names(user) && rank(r.Role) > rank(everywhere) {
			further = append(further, r)
		}
	}
	return everywhere, further
}

// RuleGrant is a rule that gives a user a role.
type RuleGrant struct {
	Rule
	Origin Origin // of the users of the rule
	Named  bool   // the rule names the user, not only every user
}

// Everywhere reports whether the rule covers every repository.
func (g RuleGrant) Everywhere() bool { return CoversAll(g.Repositories) }

// Remedy returns how to take the role from the user.
func (g RuleGrant) Remedy(user string) string {
	if !g.Named {
		return fmt.Sprintf("list users instead of %s in the rule", Quote(EveryUser))
	}
	if len(g.Users) == 1 {
		return "delete the rule"
	}
	return fmt.Sprintf("delete %s from the users of the rule", Quote(user))
}

// RulesFor returns the rules that give a user a higher role than role; "" is no role.
func (l *Loaded) RulesFor(user, role string) []RuleGrant {
	var grants []RuleGrant
	for i, r := range l.Config.Auth.Htpasswd.Rules {
		if !r.names(user) || rank(r.Role) <= rank(role) {
			continue
		}
		key := fmt.Sprintf("auth.htpasswd.rules[%d].users", i)
		origin, known := l.Origins[key]
		if !known {
			origin = l.Origins[key+"[0]"]
		}
		grants = append(grants, RuleGrant{Rule: r, Origin: origin, Named: slices.Contains(r.Users, user)})
	}
	return grants
}

// CoversAll reports whether a pattern matches every repository.
func CoversAll(pattern string) bool {
	return strings.Contains(pattern, "**") && strings.Trim(pattern, "*/") == ""
}
