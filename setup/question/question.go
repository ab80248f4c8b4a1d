package question

import (
	"context"

	"packhouse/finding"
	"packhouse/setup/installation"
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

// Question is one setting to ask for. Each is one row: a literal from which the wizard, the flags, the
// environment variables, the answers file and the documentation are derived.
type Question struct {
	ID       string
	Step     string // ID of the step that asks it
	Turn     int    // position in the step, if it differs from the order of the help
	Title    string // a word or two: "Host name"
	Ask      string // the question as a sentence
	Help     string // why setup asks, what clients will see, what happens if it is wrong
	Flags    []Flag // flags that answer it, each also a variable and a key of the answers file
	Main     int    // index of the flag that findings name
	Kind     Kind   // empty: derived from the other fields
	Advanced bool   // rarely changed: asked only on request
	Once     bool   // the answer applies to one run of setup, and not to a repetition
	Default  string // fixed default of Answer
	Empty    string // meaning of an empty answer, in a few words, if any: "AWS"
	Belongs  string // the answers that it depends on, to explain a flag that has no effect

	// Answer or Confirms returns where the answer is stored, if Set only stores it.
	Answer   func(a *Answers) *string
	Confirms func(a *Answers) *bool
	// Clean normalizes a typed answer. It may be nil.
	Clean func(text string) string
	// Changed adapts other answers after Set. It may be nil.
	Changed func(a *Answers, before string)
	// Missing and Give are what and remedy of the refusal of an empty answer.
	Missing, Give string
	// Certificates: the answer is empty or a PEM file with certificates.
	Certificates bool
	// InUse returns the value that an installation uses, which stays valid although it is not one of
	// the choices. It may be nil.
	InUse func(in *installation.Installed) string

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

// options returns Choices that depend on nothing.
func options(list ...Option) func(*machine.Machine, *Answers) []Option {
	return func(*machine.Machine, *Answers) []Option { return list }
}

func option[T ~string](value T, title, text string) Option {
	return Option{Value: string(value), Title: title, Text: text}
}
