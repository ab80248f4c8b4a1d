package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/machine"
	"packhouse/setup/question"
	"packhouse/templates"
)

// pair is one flag with a value.
type pair struct{ name, value string }

// pairs returns the flags for answers, without secrets, in the order of the help. It omits
// fixed defaults, but not those that depend on the machine.
func pairs(a *question.Answers) []pair {
	out := []pair{{"dir", a.Dir}, {"hostname", machine.Canonical(a.Hostname)}}
	if question.Made(a) {
		var names []pair
		for _, s := range a.SANs {
			if s.Ticked {
				names = append(names, pair{"san", machine.Canonical(s.Name)})
			} else {
				names = append(names, pair{"no-san", machine.Canonical(s.Name)})
			}
		}
		slices.SortFunc(names,
			func(x, y pair) int { return cmp.Or(-cmp.Compare(x.name, y.name), cmp.Compare(x.value, y.value)) })
		out = append(out, names...)
	}
	initial := question.Answers{Dir: a.Dir, TLS: a.TLS, S3: config.S3Storage{ForcePathStyle: a.S3.RegionEndpoint != ""}}
	for _, q := range question.All() {
		if q.Kind == question.Names || q.Kind == question.Users || q.Kind == question.Hidden || q.ID == "hostname" ||
			!q.Asked(a) || q.Once {
			continue
		}
		value, flag := q.Get(a), q.Flags[q.Main]
		if q.Advanced && (value == q.Default || value == q.Get(&initial)) || value == "" ||
			q.Kind == question.Confirm && !q.Advanced && value == "false" {
			continue
		}
		values := []string{value}
		if flag.Kind == question.FlagList {
			values = setup.SplitList(value)
		}
		for _, value := range values {
			out = append(out, pair{flag.Name, value})
		}
	}
	named := false
	for _, u := range a.Users {
		if u.Role == setup.Admin && !named {
			out, named = append(out, pair{"admin", u.Name}), true
			continue
		}
		out = append(out, pair{"user", u.Name + ":" + string(u.Role)})
	}
	return out
}

// CommandLine returns the "packhouse setup" command for the same answers, without secrets, quoted
// for a POSIX shell.
func (r Resolved) CommandLine() string {
	var b strings.Builder
	b.WriteString(setup.Shell(cmp.Or(r.Answers.Program, "packhouse")) + " setup --yes")
	add := func(name, value string) {
		b.WriteString(" --" + name)
		if flag, _ := question.FlagNamed(name); flag.Kind != question.FlagBool {
			b.WriteString(" " + setup.Shell(value))
		} else if value == "false" {
			b.WriteString("=false")
		}
	}
	for _, p := range pairs(&r.Answers) {
		add(p.name, p.value)
	}
	for _, name := range r.Answers.RemoveUsers {
		add("remove-user", name)
	}
	for _, q := range question.All() {
		if q.Once && q.Get(&r.Answers) == "true" {
			add(q.ID, "true")
		}
	}
	if r.Answers.Serve {
		add("serve", "true")
	}
	return b.String()
}

// AnswersYAML returns the answers file for the same answers, without secrets.
func (r Resolved) AnswersYAML() []byte {
	var b strings.Builder
	b.WriteString(
		"# The answers this registry was set up with, for the next machine:\n#   packhouse setup --yes --answers FILE\n" +
			"# Passwords are not in here: give them with password-file, or in the variables PACKHOUSE_PASSWORD_<NAME>.\n",
	)
	all := pairs(&r.Answers)
	for i, p := range all {
		flag, _ := question.FlagNamed(p.name)
		switch {
		case flag.Kind == question.FlagBool:
			fmt.Fprintf(&b, "%s: %s\n", p.name, p.value)
		case flag.Kind == question.FlagText:
			fmt.Fprintf(&b, "%s: %s\n", p.name, templates.YAML(p.value))
		case slices.ContainsFunc(all[:i], func(earlier pair) bool { return earlier.name == p.name }):
		default:
			fmt.Fprintf(&b, "%s:\n", p.name)
			for _, other := range all[i:] {
				if other.name == p.name {
					fmt.Fprintf(&b, "  - %s\n", templates.YAML(other.value))
				}
			}
		}
	}
	return []byte(b.String())
}
