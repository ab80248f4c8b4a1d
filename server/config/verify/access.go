package verify

import (
	"fmt"
	"strings"

	"packhouse/finding"
	"packhouse/server/config"
)

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
		v.warnf(config.CodeRulesNoReader, key, remedy+", otherwise add these users to a rule or remove them", "%s",
			what+"and none names "+several(none))
	}
	if len(some) > 0 {
		v.add(
			finding.Note,
			config.CodeRulesSomeReader,
			key,
			what+"which is not every repository for "+several(some),
			remedy,
		)
	}
}

// several returns the first of some names for a message.
func several(names []string) string {
	const most = 5
	quoted := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		quoted = append(quoted, config.Quote(name))
	}
	text := strings.Join(quoted, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}
