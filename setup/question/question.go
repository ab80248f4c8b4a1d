package question

import (
	"context"

	"packhouse/finding"
	"packhouse/setup/machine"
)

// Kind is how a question is answered.
type Kind string

// Kinds of questions.
const (
	Text    Kind = "text"
	Path    Kind = "path"
	Choice  Kind = "choice"  // an element of Question.Choices
	Names   Kind = "names"   // Answers.SANs: checkboxes, names can be added
	Users   Kind = "users"   // Answers.Users: an editable list
	Confirm Kind = "confirm" // "true" or "false"
	Number  Kind = "number"
	Hidden  Kind = "hidden" // a secret: Get returns only whether it is set
)

// Step is a group of questions: an entry of the wizard's left column. Review and checks come after
// the steps; each user interface implements its own.
type Step struct {
	ID        string
	Title     string
	Questions []*Question
}

// Question is one setting to ask for.
type Question struct {
	ID       string
	Title    string   // a word or two: "Host name"
	Ask      string   // the question as a sentence
	Help     string   // why setup asks, what clients will see, what happens if it is wrong
	Flags    []string // flags that answer it: "--hostname"
	Kind     Kind
	Advanced bool   // rarely changed: asked only on request
	Empty    string // meaning of an empty answer, in a few words, if any: "AWS"

	// Asked reports whether the question applies, given the answers so far.
	Asked func(a *Answers) bool
	// Choices are the possible answers of a Choice.
	Choices func(m *machine.Machine, a *Answers) []Option
	// Suggest returns suggestions for a Text or Path, best first. It may be nil.
	Suggest func(m *machine.Machine, a *Answers) []string
	// Get returns the answer as a flag would state it. For Names and Users it is for display only,
	// separated by commas.
	Get func(a *Answers) string
	// Set parses and stores the answer. It returns an error if the text cannot be parsed ("not a
	// number"). For Names and Users it replaces the list: names, or NAME[:ROLE], separated by
	// commas.
	Set func(a *Answers, text string) error
	// Validate validates the answer. It must be fast enough to run on every keystroke.
	Validate Check
	// Probe validates the answer by binding, resolving or reading. It can take seconds and stops
	// when ctx is done. It may be nil.
	Probe Check
}

// Check returns findings about an answer.
type Check func(ctx context.Context, m *machine.Machine, a *Answers) []finding.Finding

// Option is one choice of a Choice question.
type Option struct {
	Value    string // value of the flag
	Title    string
	Text     string // what it means
	Disabled string // why it is not available; empty if it is
}
