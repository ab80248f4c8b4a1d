package config

import (
	"fmt"
	"slices"
	"strings"

	"packhouse/finding"
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
func (g RuleGrant) Everywhere() bool { return everyRepository(g.Repositories) }

// Remedy returns how to take the role from the user.
func (g RuleGrant) Remedy(user string) string {
	if !g.Named {
		return fmt.Sprintf("list users instead of %s in the rule", quote(EveryUser))
	}
	if len(g.Users) == 1 {
		return "delete the rule"
	}
	return fmt.Sprintf("delete %s from the users of the rule", quote(user))
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

// readers reports users who can sign in and read nothing, or only some repositories, because rules
// end the right to read everything.
func (v *verifier) readers(users []string) {
	h := &v.loaded.Config.Auth.Htpasswd
	if onlyWriters(h.Rules) {
		return // unsafeSettings reports it
	}
	var none, some []string
	for _, user := range users {
		switch everywhere, further := h.Access(user); {
		case everywhere != "":
		case len(further) == 0:
			none = append(none, user)
		default:
			some = append(some, user)
		}
	}
	const (
		key    = "auth.htpasswd.rules"
		what   = ": with rules, users read only what a rule or role names, "
		remedy = `add {repositories: "**", users: ["*"], role: reader} if every user may read everything`
	)
	if len(none) > 0 {
		v.add(finding.Warning, CodeRulesNoReader, key, what+"and none names "+several(none),
			remedy+", otherwise add these users to a rule or remove them")
	}
	if len(some) > 0 {
		v.add(finding.Note, CodeRulesSomeReader, key, what+"which is not every repository for "+several(some), remedy)
	}
}

// several returns the first of some names for a message.
func several(names []string) string {
	const most = 5
	quoted := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, quote(name))
	}
	text := strings.Join(quoted, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}
