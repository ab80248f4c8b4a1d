package plan

import (
	"fmt"
	"maps"
	"slices"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
)

// rules warns about rules and client certificates of the configuration that give a new or changed
// user more than the role, and about those that still name a removed user.
func (b *builder) rules() {
	for _, u := range b.answers.Users {
		switch old := b.installed.User(u.Name); {
		case old == nil:
			b.furtherRules(u)
			b.clientNames(u.Name, "signs in as the new user %s")
		case old.Role != u.Role:
			b.furtherRules(u)
		}
	}
	for _, old := range b.installed.Users {
		if b.answers.User(old.Name) == nil {
			b.leftoverRules(old.Name)
			b.clientNames(old.Name, "would sign in as a new user %s")
		}
	}
}

// furtherRules warns about rules that give a new user, or one with a new role, more than the role.
func (b *builder) furtherRules(u setup.User) {
	for _, g := range b.config.RulesFor(u.Name, string(u.Role)) {
		b.plan.Findings = append(b.plan.Findings, aboutRule(g, u.Name,
			fmt.Sprintf("user %s is %s of %s by a rule, beyond the role %s", u.Name, g.Role, g.Repositories, u.Role)))
	}
}

// leftoverRules warns about rules that name a removed user, because another user of that name would
// get their roles.
func (b *builder) leftoverRules(name string) {
	for _, g := range b.config.RulesFor(name, "") {
		if g.Named {
			b.plan.Findings = append(b.plan.Findings, aboutRule(g, name, fmt.Sprintf(
				"a rule still names user %s as %s of %s, and a new user of that name would get this role",
				name, g.Role, g.Repositories)))
		}
	}
}

// clientNames warns about client certificates that sign in as a user who was added or removed.
func (b *builder) clientNames(user, what string) {
	names := b.config.Config.Auth.Htpasswd.ClientNames
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if names[name] != user {
			continue
		}
		f := setup.Warn(setup.CodeUserRules, fmt.Sprintf("the client certificate of %q "+what, name, user),
			"if that is not intended, delete the line from auth.htpasswd.clientnames")
		origin := b.config.Origins["auth.htpasswd.clientnames."+name]
		f.File, f.Line, f.Entry = origin.File, origin.Line, user
		b.plan.Findings = append(b.plan.Findings, f)
	}
}

// aboutRule returns a warning about a rule that names a user.
func aboutRule(g config.RuleGrant, user, what string) finding.Finding {
	f := setup.Warn(setup.CodeUserRules, what, "if that is not intended, "+g.Remedy(user))
	f.File, f.Line, f.Entry = g.Origin.File, g.Origin.Line, user
	return f
}
