package lines

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/question"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
)

// questions asks the questions of the open steps, from an index on. It reports whether all are
// answered; false: the user went back beyond the first.
func (l *mode) questions(at int) (bool, error) {
	for {
		asked := l.session.Asking(l.advanced)
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
			if l.session.Managed {
				return false, nil
			}
			l.say("This is the first question.")
			continue
		}
		at--
	}
}

// ask asks a question until its answer is accepted. It reports whether to continue; false: go back.
// It lists the choices once, and again only if they change, because screen readers read them aloud.
func (l *mode) ask(q *question.Question) (bool, error) {
	for list := true; ; {
		if list {
			l.list(q)
		}
		list = false
		mistakes := l.mistakes
		text, err := l.readLine(l.prompt(q), q.Kind == question.Hidden)
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
		done, err := l.store(q, text)
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
func (l *mode) list(q *question.Question) {
	a := &l.session.Answers
	switch q.Kind {
	case question.Choice:
		for i, o := range q.Choices(l.session.Machine, a) {
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
		l.say("In the certificate, in addition to the host name: %s", orNone(in))
		if len(out) > 0 {
			l.say("Known, but not in the certificate: %s", strings.Join(out, ", "))
		}
	case question.Users:
		for _, u := range a.Users {
			l.say("%s, %s, %s", u.Name, u.Role, passwordWords(u))
		}
	case question.Hidden, question.Text, question.Path, question.Number, question.Confirm:
	}
}

// prompt returns the prompt of a question, with its default.
func (l *mode) prompt(q *question.Question) string {
	a := &l.session.Answers
	switch q.Kind {
	case question.Names:
		return "A name adds it, minus and a name removes it, enter continues: "
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
		return layout.Clean(fmt.Sprintf("Default: empty, which means: %s. Your answer: ", q.Empty))
	}
	if value == "" {
		return "No default. Your answer: "
	}
	from := ""
	if origin := l.session.Origins[q.ID]; origin != answer.FromDefault && describe.Origin(origin) != "" {
		from = ", " + describe.Origin(origin)
	}
	if l.session.Clearable(l.ctx, q) {
		from += "; " + none + " removes it"
	}
	return layout.Clean(fmt.Sprintf("Default: %s%s. Your answer: ", value, from))
}

// listed returns a choice as it was listed, with its number and title.
func (l *mode) listed(q *question.Question, value string) string {
	for i, o := range q.Choices(l.session.Machine, &l.session.Answers) {
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
		return "password kept"
	case setup.Typed:
		return "password typed"
	case setup.FromFile, setup.FromEnv, setup.FromStdin:
		return "password given"
	}
	return "password will be generated"
}

// store stores an answer. It reports whether the question is done; a list is done when the input is
// empty.
func (l *mode) store(q *question.Question, text string) (bool, error) {
	a := &l.session.Answers
	switch {
	case text == "":
		return true, nil
	case q.Kind == question.Names:
		l.storeNames(q, text)
		return false, nil
	case q.Kind == question.Users:
		return false, l.storeUser(q, text)
	case q.Kind == question.Choice:
		options := q.Choices(l.session.Machine, a)
		if n, err := strconv.Atoi(text); err == nil {
			if n < 1 || n > len(options) {
				l.mistake("%d is not one of the choices 1 to %d", n, len(options))
				return false, nil
			}
			text = options[n-1].Value
		}
		for _, o := range options {
			if strings.EqualFold(o.Value, text) || strings.EqualFold(o.Title, text) { // the title, as a screen reader reads it
				text = o.Value
			}
			if o.Value == text && o.Disabled != "" {
				l.mistake("%s cannot be chosen here: %s", o.Title, o.Disabled)
				return false, nil
			}
		}
	}
	before := q.Get(a)
	if text == none && l.session.Clearable(l.ctx, q) {
		text = ""
	}
	origin := l.session.Origins[q.ID]
	if err := l.session.Set(q, text); err != nil {
		l.mistake("%q %v", text, err)
		return false, nil
	}
	if l.refuses(q) { // restore the default
		_ = q.Set(a, before)
		l.session.Origins[q.ID] = origin
		return false, nil
	}
	if now := q.Get(a); q.Kind == question.Path && now != text && now != "" {
		l.say("Note: that is %s", now)
	}
	return true, nil
}

// none is the input that removes an optional answer.
const none = "none"

func (l *mode) storeNames(q *question.Question, text string) {
	a := &l.session.Answers
	before := slices.Clone(a.SANs)
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, out := strings.CutPrefix(name, "-")
		if !out {
			a.AddSAN(name, setup.SANTyped)
			continue
		}
		i := slices.IndexFunc(a.SANs, func(san setup.SAN) bool { return strings.EqualFold(san.Name, name) })
		if i < 0 {
			l.mistake("%s is not in the list", name)
			continue
		}
		a.SANs = slices.Clone(a.SANs)
		a.SANs[i].Ticked = false
	}
	if l.refuses(q) {
		a.SANs = before
		return
	}
	l.session.SetNames(q, a.SANs)
}

// storeUser changes the list of users. It reverts a change that is refused.
func (l *mode) storeUser(q *question.Question, text string) error {
	a := &l.session.Answers
	before := slices.Clone(a.Users)
	var removed []string
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
		l.mistake("enter add, remove, role or password, and the name of a user")
		return nil
	case !slices.Contains(setup.Roles(), role):
		l.mistake("%q is not a role: reader, writer or admin", role)
		return nil
	case verb == "add" && i >= 0:
		l.mistake("user %q already exists", name)
		return nil
	case verb != "add" && i < 0:
		l.mistake("user %q does not exist", name)
		return nil
	case verb == "add":
		a.Users = append(a.Users, setup.User{Name: name, Role: role, Source: setup.Generated})
		i = len(a.Users) - 1
	case verb == "remove":
		if a.Users[i].Source == setup.Kept {
			removed = append(removed, name)
		}
		a.Users = slices.Delete(a.Users, i, i+1)
	case verb == "role":
		a.Users[i].Role = role
	}
	if verb == "add" || verb == "password" {
		password, err := l.password(name)
		if err != nil {
			a.Users = before
			return err
		}
		a.Users[i].Source, a.Users[i].Password = setup.Generated, ""
		if password != "" {
			a.Users[i].Source, a.Users[i].Password = setup.Typed, setup.Secret(password)
		}
	}
	if l.refusesAbout(q, name) {
		a.Users = before
		return nil
	}
	l.session.SetUsers(q, a.Users, removed)
	return nil
}

// password reads a password twice, without an echo. An empty input generates one.
func (l *mode) password(name string) (string, error) {
	defer l.hide()() // also between the two lines
	for {
		first, err := l.readLine(layout.Clean(fmt.Sprintf("Password of %s, not shown; enter generates one: ", name)), true)
		if err != nil || first == "" {
			return "", err
		}
		second, err := l.readLine("Repeat the password: ", true)
		if err != nil {
			return "", err
		}
		if first == second {
			return first, nil
		}
		l.mistake("passwords do not match")
	}
}

// refuses prints the refusals of an answer and reports whether there are any.
func (l *mode) refuses(q *question.Question) bool { return l.refusesAbout(q, "") }

// refusesAbout is refuses for one entry of a list; findings about the whole list wait until the
// list is complete.
func (l *mode) refusesAbout(q *question.Question, entry string) bool {
	refused := false
	for _, f := range l.session.Validate(l.ctx, q) {
		if f.Severity == finding.Refused && (entry == "" || f.Entry == entry) {
			l.finding(f)
			refused = true
		}
	}
	return refused
}

// check prints the findings about an answer, probes it, and reports whether it is accepted.
func (l *mode) check(q *question.Question) bool {
	findings := l.session.Validate(l.ctx, q)
	if q.Probe != nil && !finding.AnyRefused(findings) {
		findings = append(findings, l.session.Prober([]*question.Question{q})(l.ctx)[q]...)
	}
	if len(findings) == 0 {
		findings = l.session.Glancer(q)(l.ctx)
	}
	for _, f := range findings {
		l.finding(f)
	}
	return !finding.AnyRefused(findings)
}
