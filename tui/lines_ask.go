package tui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/question"
)

// asking lists the questions that matter now, of one step or of all.
func (l *lines) asking(only string) []*question.Question {
	var out []*question.Question
	for _, step := range l.m.options.Steps {
		if only != "" && step.ID != only {
			continue
		}
		for _, q := range step.Questions {
			if (q.Asked == nil || q.Asked(&l.m.answers)) && (l.further || !q.Advanced) {
				out = append(out, q)
			}
		}
	}
	return out
}

// questions asks the questions from an index on. It reports whether all are answered; false: the user went back beyond the first.
func (l *lines) questions(only string, at int) (bool, error) {
	for {
		asked := l.asking(only)
		if at >= len(asked) {
			if at < 1<<20 {
				return true, nil
			}
			at = len(asked) - 1
		}
		q := asked[at]
		l.say("")
		l.say("Question %d of %d: %s. %s", at+1, len(asked), q.Title, q.Ask)
		forward, err := l.ask(q)
		if err != nil {
			return false, err
		}
		if forward {
			at++
			continue
		}
		if at == 0 {
			if l.m.manager.on {
				return false, nil
			}
			l.say("This is the first question.")
			continue
		}
		at--
	}
}

// ask asks one question until its answer is accepted. It reports whether to continue; false: go back. It lists the choices once, and again
// only if they change, to spare users of screen readers.
func (l *lines) ask(q *question.Question) (bool, error) {
	for list := true; ; {
		if list {
			l.list(q)
		}
		list = false
		mistakes := l.mistakes
		text, err := l.hear(l.prompt(q), q.Kind == question.Hidden)
		if err != nil {
			return false, err
		}
		switch text {
		case "back":
			return false, nil
		case "?", "help":
			l.say("%s", q.Help)
			if len(q.Flags) > 0 {
				l.say("In scripts: %s", strings.Join(q.FlagNames(), " "))
			}
			continue
		}
		done, err := l.take(q, text)
		if err != nil {
			return false, err
		}
		if done && l.check(q) {
			return true, nil
		}
		list = !done && l.mistakes == mistakes // a list that was changed
	}
}

// list prints the choices.
func (l *lines) list(q *question.Question) {
	a := &l.m.answers
	switch q.Kind {
	case question.Choice:
		for i, o := range q.Choices(l.m.machine, a) {
			text := o.Text
			if o.Disabled != "" {
				text = "cannot be chosen here: " + o.Disabled
			}
			l.say("%d. %s: %s", i+1, o.Title, text)
		}
	case question.Names:
		var in, out []string
		for _, san := range a.SANs {
			if san.Ticked {
				in = append(in, san.Name)
			} else {
				out = append(out, san.Name)
			}
		}
		l.say("In it beside the host name: %s", orNone(in))
		if len(out) > 0 {
			l.say("Known, and not in it: %s", strings.Join(out, ", "))
		}
	case question.Users:
		for _, u := range a.Users {
			l.say("%s, %s, %s", u.Name, u.Role, passwordWords(u))
		}
	case question.Hidden, question.Text, question.Path, question.Number, question.Confirm:
	}
}

// prompt says the default, and what can be typed.
func (l *lines) prompt(q *question.Question) string {
	a := &l.m.answers
	switch q.Kind {
	case question.Names:
		return "A name adds it, minus and a name takes it out, enter continues: "
	case question.Users:
		return "add NAME ROLE, remove NAME, role NAME ROLE, password NAME; enter continues: "
	case question.Hidden:
		return hiddenPrompt(q.Get(a))
	case question.Text, question.Path, question.Number, question.Confirm, question.Choice:
	}
	value := q.Get(a)
	switch {
	case q.Kind == question.Choice: // as it was listed
		value = l.listed(q, value)
	case q.Kind == question.Confirm && value == "true":
		value = "yes"
	case q.Kind == question.Confirm:
		value = "no"
	}
	if value == "" && q.Empty != "" {
		return clean(fmt.Sprintf("Default: empty, which means: %s. Your answer: ", q.Empty))
	}
	if value == "" {
		return "No default. Your answer: "
	}
	from := ""
	if origin := l.m.origins[q.ID]; origin != answer.FromDefault && originWords(origin) != "" {
		from = ", " + originWords(origin)
	}
	if l.emptiable(q) {
		from += "; " + none + " takes it away"
	}
	return clean(fmt.Sprintf("Default: %s%s. Your answer: ", value, from))
}

// listed is one of the choices by its number and its title.
func (l *lines) listed(q *question.Question, value string) string {
	for i, o := range q.Choices(l.m.machine, &l.m.answers) {
		if o.Value == value {
			return fmt.Sprintf("%d, %s", i+1, o.Title)
		}
	}
	return value
}

// hiddenPrompt asks for a secret. It never shows an existing secret, only that one is set.
func hiddenPrompt(there string) string {
	if there == "" {
		return "Your answer, not shown: "
	}
	return "Default: " + there + ". Your answer: "
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func passwordWords(u setup.User) string {
	switch u.Source {
	case setup.Kept:
		return "password stays"
	case setup.Typed:
		return "password typed"
	case setup.FromFile, setup.FromEnv, setup.FromStdin:
		return "password given"
	}
	return "password will be generated"
}

// take stores an answer. It reports whether the question is done; a list is done when the input is empty.
func (l *lines) take(q *question.Question, text string) (bool, error) {
	a := &l.m.answers
	switch {
	case text == "":
		return true, nil
	case q.Kind == question.Names:
		l.takeNames(q, text)
		return false, nil
	case q.Kind == question.Users:
		return false, l.takeUser(q, text)
	case q.Kind == question.Choice:
		options := q.Choices(l.m.machine, a)
		if n, err := strconv.Atoi(text); err == nil {
			if n < 1 || n > len(options) {
				l.mistake("there is no number %d: 1 to %d", n, len(options))
				return false, nil
			}
			text = options[n-1].Value
		}
		for _, o := range options {
			if strings.EqualFold(o.Value, text) || strings.EqualFold(o.Title, text) { // also as it was read out
				text = o.Value
			}
			if o.Value == text && o.Disabled != "" {
				l.mistake("%s cannot be chosen here: %s", o.Title, o.Disabled)
				return false, nil
			}
		}
	}
	before := q.Get(a)
	if text == none && l.emptiable(q) {
		text = ""
	}
	if err := q.Set(a, text); err != nil {
		l.mistake("%q %v", text, err)
		return false, nil
	}
	if l.refuses(q) {
		_ = q.Set(a, before) // restore the default
		return false, nil
	}
	l.m.origins[q.ID] = answer.FromTyping
	if now := q.Get(a); q.Kind == question.Path && now != text && now != "" {
		l.say("Note: that is %s", now)
	}
	return true, nil
}

// none takes an answer away that there need not be.
const none = "none"

// emptiable reports whether a question has an answer that may be removed.
func (l *lines) emptiable(q *question.Question) bool {
	if q.Kind != question.Text && q.Kind != question.Path || q.Get(&l.m.answers) == "" {
		return false
	}
	without := l.m.answers.Clone()
	return q.Set(&without,
		"") == nil && (q.Validate == nil || !finding.AnyRefused(q.Validate(l.ctx, l.m.machine, &without)))
}

func (l *lines) takeNames(q *question.Question, text string) {
	a := &l.m.answers
	before := slices.Clone(a.SANs)
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, out := strings.CutPrefix(name, "-")
		if !out {
			a.AddSAN(name, setup.SANTyped)
			continue
		}
		i := slices.IndexFunc(a.SANs, func(san setup.SAN) bool { return strings.EqualFold(san.Name, name) })
		if i < 0 {
			l.mistake("%s is not in it", name)
			continue
		}
		a.SANs = slices.Clone(a.SANs)
		a.SANs[i].Ticked = false
	}
	if l.refuses(q) {
		a.SANs = before
		return
	}
	l.m.origins[q.ID] = answer.FromTyping
}

// takeUser changes the list of users. It reverts a change that is refused.
func (l *lines) takeUser(q *question.Question, text string) error {
	a := &l.m.answers
	before, removed := slices.Clone(a.Users), slices.Clone(a.RemoveUsers)
	fields := strings.Fields(text)
	verb, name, role := fields[0], "", setup.Reader
	if len(fields) > 1 {
		name = fields[1]
	}
	if len(fields) > 2 {
		role = setup.Role(fields[2])
	}
	i := slices.IndexFunc(a.Users, func(u setup.User) bool { return u.Name == name })
	a.Users = slices.Clone(a.Users)
	switch {
	case name == "" || len(fields) > 3 || !slices.Contains([]string{"add", "remove", "role", "password"}, verb):
		l.mistake("begin with add, remove, role or password, and the name of a user")
		return nil
	case !slices.Contains(setup.Roles(), role):
		l.mistake("%q is not a role: reader, writer or admin", role)
		return nil
	case verb == "add" && i >= 0:
		l.mistake("there is a user %q already", name)
		return nil
	case verb != "add" && i < 0:
		l.mistake("there is no user %q", name)
		return nil
	case verb == "add":
		a.Users = append(a.Users, setup.User{Name: name, Role: role, Source: setup.Generated})
		a.RemoveUsers = slices.DeleteFunc(slices.Clone(a.RemoveUsers), func(gone string) bool { return gone == name })
		i = len(a.Users) - 1
	case verb == "remove":
		if a.Users[i].Source == setup.Kept {
			a.RemoveUsers = append(slices.Clone(a.RemoveUsers), name)
		}
		a.Users = slices.Delete(a.Users, i, i+1)
	case verb == "role":
		a.Users[i].Role = role
	}
	if verb == "add" || verb == "password" {
		password, err := l.password(name)
		if err != nil {
			a.Users, a.RemoveUsers = before, removed
			return err
		}
		a.Users[i].Source, a.Users[i].Password = setup.Generated, ""
		if password != "" {
			a.Users[i].Source, a.Users[i].Password = setup.Typed, setup.Secret(password)
		}
	}
	if l.refusesAbout(q, name) {
		a.Users, a.RemoveUsers = before, removed
		return nil
	}
	l.m.origins[q.ID] = answer.FromTyping
	return nil
}

// password asks twice, without an echo. An empty input generates a password.
func (l *lines) password(name string) (string, error) {
	defer l.hide()() // also in between
	for {
		first, err := l.hear(clean(fmt.Sprintf("Password of %s, not shown; enter generates one: ", name)), true)
		if err != nil || first == "" {
			return "", err
		}
		second, err := l.hear("Once more: ", true)
		if err != nil {
			return "", err
		}
		if first == second {
			return first, nil
		}
		l.mistake("the two differ")
	}
}

// refuses prints the refusals of an answer and reports whether there are any.
func (l *lines) refuses(q *question.Question) bool { return l.refusesAbout(q, "") }

// refusesAbout is refuses for one entry of a list; what is wrong with the list as a whole can wait until enter.
func (l *lines) refusesAbout(q *question.Question, subject string) bool {
	if q.Validate == nil {
		return false
	}
	refused := false
	for _, f := range q.Validate(l.ctx, l.m.machine, &l.m.answers) {
		if f.Severity == finding.Refused && (subject == "" || f.Entry == subject) {
			l.finding(f.Titled())
			refused = true
		}
	}
	return refused
}

// check prints the findings about an answer, probes it, and reports whether it is accepted.
func (l *lines) check(q *question.Question) bool {
	var findings []finding.Finding
	if q.Validate != nil {
		findings = q.Validate(l.ctx, l.m.machine, &l.m.answers)
	}
	if q.Probe != nil && !finding.AnyRefused(findings) {
		findings = append(findings, q.Probe(l.ctx, l.m.machine, &l.m.answers)...)
	}
	if len(findings) == 0 {
		findings = question.Glance(l.ctx, l.m.machine, q.ID, &l.m.answers)
	}
	for _, f := range worded(findings) {
		l.finding(f)
	}
	return !finding.AnyRefused(findings)
}
