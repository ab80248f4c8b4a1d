package session

import (
	"context"
	"maps"
	"slices"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/question"
)

// Interview is the questions, their answers, and the current step.
type Interview struct {
	Machine   *machine.Machine
	Installed *installation.Installed // the installation that the answers are based on

	Answers question.Answers
	Origins map[string]answer.Origin // by ID of the question
	Unsaved *answer.Resolved         // changed answers that the user left without applying them

	Steps    []question.Step // that are open
	At       int             // index of the current step
	Reached  int             // index of the furthest step so far
	FromList bool            // the steps were opened from the list of settings, and lead back to it

	all []question.Step
}

// Resolved returns a copy of the current answers and their origins.
func (i *Interview) Resolved() answer.Resolved {
	return answer.Resolved{Answers: i.Answers.Clone(), Origins: maps.Clone(i.Origins)}
}

// Open opens the step with an ID, or all steps if it is empty, and makes the first one current.
func (i *Interview) Open(only string) {
	i.Steps, i.FromList = nil, false
	for _, step := range i.all {
		if only == "" || step.ID == only {
			i.Steps = append(i.Steps, step)
		}
	}
	i.At, i.Reached = 0, 0
}

// Resume is Open with the answers that Keep kept.
func (i *Interview) Resume(only string) {
	if i.Unsaved != nil {
		i.Answers, i.Origins = i.Unsaved.Answers, i.Unsaved.Origins
		i.Answers.Rebase(i.Installed)
	}
	i.Open(only)
}

// Keep keeps changed answers for Resume.
func (i *Interview) Keep() {
	if i.Changed() {
		resolved := i.Resolved()
		i.Unsaved = &resolved
	}
}

// Changed reports whether an answer was changed by the user and not applied.
func (i *Interview) Changed() bool {
	for _, origin := range i.Origins {
		if origin == answer.FromTyping {
			return true
		}
	}
	return false
}

// Pending returns the answers that the user changed and did not apply. It reports false if there
// are none.
func (i *Interview) Pending() (answer.Resolved, bool) {
	switch {
	case i.Changed():
		return i.Resolved(), true
	case i.Unsaved != nil:
		return *i.Unsaved, true
	}
	return answer.Resolved{}, false
}

// Enter makes a step current. It limits index to the open steps.
func (i *Interview) Enter(index int) {
	i.At = max(min(index, len(i.Steps)-1), 0)
	i.Reached = max(i.Reached, i.At)
}

// asks reports whether the open steps contain the question with an ID.
func (i *Interview) asks(id string) bool {
	for _, step := range i.Steps {
		if slices.ContainsFunc(step.Questions, func(q *question.Question) bool { return q.ID == id }) {
			return true
		}
	}
	return false
}

// Asked reports whether a question applies, given the other answers.
func (i *Interview) Asked(q *question.Question) bool { return q.Asked == nil || q.Asked(&i.Answers) }

// Asking lists the questions of the open steps that apply. It leaves out advanced ones unless
// advanced is set.
func (i *Interview) Asking(advanced bool) []*question.Question {
	var out []*question.Question
	for _, step := range i.Steps {
		for _, q := range step.Questions {
			if i.Asked(q) && (advanced || !q.Advanced) {
				out = append(out, q)
			}
		}
	}
	return out
}

// Get returns the answer to a question as text.
func (i *Interview) Get(q *question.Question) string { return q.Get(&i.Answers) }

// Set answers a question. It returns an error, and changes nothing, if the text cannot be an
// answer.
func (i *Interview) Set(q *question.Question, text string) error {
	if err := q.Set(&i.Answers, text); err != nil {
		return err
	}
	i.Origins[q.ID] = answer.FromTyping
	return nil
}

// SetNames answers the question about the names in the certificate.
func (i *Interview) SetNames(q *question.Question, names []setup.SAN) {
	i.Answers.SANs = names
	i.Origins[q.ID] = answer.FromTyping
}

// SetUsers answers the question about users. removed are the names of existing users that are
// deleted.
func (i *Interview) SetUsers(q *question.Question, users []setup.User, removed []string) {
	i.Answers.Users = users
	gone := slices.Clone(i.Answers.RemoveUsers)
	for _, name := range removed {
		if !slices.Contains(gone, name) {
			gone = append(gone, name)
		}
	}
	i.Answers.RemoveUsers = slices.DeleteFunc(gone, func(name string) bool { return i.Answers.User(name) != nil })
	i.Origins[q.ID] = answer.FromTyping
}

// Validate validates the current answer to a question. The findings name questions, not flags.
func (i *Interview) Validate(ctx context.Context, q *question.Question) []finding.Finding {
	return i.ValidateWith(ctx, q, &i.Answers)
}

// ValidateWith is Validate for other answers.
func (i *Interview) ValidateWith(
	ctx context.Context, q *question.Question, answers *question.Answers,
) []finding.Finding {
	if q.Validate == nil {
		return nil
	}
	return Titled(q.Validate(ctx, i.Machine, answers))
}

// Clearable reports whether the answer to a question is set and may be empty.
func (i *Interview) Clearable(ctx context.Context, q *question.Question) bool {
	if q.Kind != question.Text && q.Kind != question.Path || i.Get(q) == "" {
		return false
	}
	without := i.Answers.Clone()
	return q.Set(&without, "") == nil && !finding.AnyRefused(i.ValidateWith(ctx, q, &without))
}

// Probed are the findings of probes, by question.
type Probed map[*question.Question][]finding.Finding

// Prober returns the function that probes the answers to questions: it binds the port, resolves the
// name, reads the file. The findings are listed by the question that each is about if that is one
// of them, and otherwise by the question whose probe returned it.
func (i *Interview) Prober(questions []*question.Question) func(ctx context.Context) Probed {
	answers, machine := i.Resolved().Answers, i.Machine
	return func(ctx context.Context) Probed {
		found := make(Probed)
		for _, q := range questions {
			if q.Probe == nil {
				continue
			}
			for _, f := range Titled(q.Probe(ctx, machine, &answers)) {
				about := q
				if at := slices.IndexFunc(questions, func(q *question.Question) bool { return q.ID == f.Question }); at >= 0 {
					about = questions[at]
				}
				found[about] = append(found[about], f)
			}
		}
		return found
	}
}

// Glancer returns the function that inspects the current answer to a question without side effects.
func (i *Interview) Glancer(q *question.Question) func(ctx context.Context) []finding.Finding {
	answers, machine := i.Resolved().Answers, i.Machine
	return func(ctx context.Context) []finding.Finding {
		return Titled(question.Glance(ctx, machine, q.ID, &answers))
	}
}

// Describe returns the answer to a question in words. A choice is described by its title.
func (i *Interview) Describe(q *question.Question) string {
	value := i.Get(q)
	switch {
	case q.Kind == question.Confirm && value == "true":
		value = "Yes"
	case q.Kind == question.Confirm:
		value = "No"
	case q.Kind == question.Choice:
		for _, o := range q.Choices(i.Machine, &i.Answers) {
			if o.Value == value {
				value = o.Title
				break
			}
		}
	}
	switch {
	case value != "":
		return value
	case q.Empty != "":
		return "(" + q.Empty + ")"
	}
	return "(none)"
}

// Summary describes the first answer of a step, and says whether an answer of the step was changed.
func (i *Interview) Summary(step question.Step) string {
	text, changed := "", false
	for _, q := range step.Questions {
		if !i.Asked(q) {
			continue
		}
		if text == "" && !q.Advanced {
			text = i.Describe(q)
		}
		changed = changed || i.Origins[q.ID] == answer.FromTyping
	}
	if changed {
		return "changed: " + text
	}
	return text
}
