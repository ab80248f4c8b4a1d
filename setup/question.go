package setup

import "context"

// Kind is how a question is answered.
type Kind string

// Kinds of questions.
const (
	Text    Kind = "text"
	Path    Kind = "path"
	Choice  Kind = "choice"  // one of Question.Choices
	Names   Kind = "names"   // Answers.SANs: a tick list that one can add to
	Users   Kind = "users"   // Answers.Users: a list that one can add to, change and take from
	Confirm Kind = "confirm" // "true" or "false"
	Number  Kind = "number"
	Hidden  Kind = "hidden" // a secret: Get says only whether there is one
)

// Step is a group of questions: an entry of the wizard's left column. Review and checks follow the steps, and are the faces' own.
type Step struct {
	ID        string
	Title     string
	Questions []*Question
}

// Question is one thing to decide.
type Question struct {
	ID       string
	Title    string   // a word or two: "Host name"
	Ask      string   // the question as a sentence
	Help     string   // why it is asked, what clients will see, what happens if it is wrong
	Flags    []string // that answer it: "--hostname"
	Kind     Kind
	Advanced bool   // has a default that nearly everybody keeps: asked only when wanted
	Empty    string // what no answer means, in a few words, where it means something: "AWS"

	// Asked tells whether the question matters, given the answers so far.
	Asked func(a *Answers) bool
	// Choices are the possible answers of a Choice.
	Choices func(m *Machine, a *Answers) []Option
	// Suggest offers answers to a Text or Path, the best first. Nil: none.
	Suggest func(m *Machine, a *Answers) []string
	// Get returns the answer in the form that a flag would have. Names and Users are for display only: one a comma.
	Get func(a *Answers) string
	// Set changes the answer; an error says why the text cannot be one ("not a number"). For Names and Users it replaces the list: names
	// separated by commas, NAME[:ROLE] likewise.
	Set func(a *Answers, text string) error
	// Validate judges the answer, quickly enough to do so as one types.
	Validate func(ctx context.Context, m *Machine, a *Answers) []Finding
	// Probe judges it by trying: binding, resolving, reading. It can take seconds and ends early with ctx. Nil: nothing to try.
	Probe func(ctx context.Context, m *Machine, a *Answers) []Finding
}

// Option is one possible answer of a Choice.
type Option struct {
	Value    string // as in the flag
	Title    string
	Text     string // what choosing it means
	Disabled string // why it cannot be chosen here; empty: it can
}
