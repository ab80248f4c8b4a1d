package answer

import (
	"io"

	"packhouse/setup/question"
	"packhouse/trust"
)

// Values are answers in the form of flags: one or more values by flag name without dashes. A
// boolean flag has the value "true".
type Values map[string][]string

// Input holds the answers given before the first question.
type Input struct {
	Flags         Values
	Env           []string  // in the format of os.Environ: PACKHOUSE_PASSWORD_<NAME>, and PACKHOUSE_<FLAG> for other flags
	File          *Document // the answers file; nil: none
	PasswordLines io.Reader // lines NAME:PASSWORD of --password-stdin; nil: none
	Program       string    // command name of this program, for printed commands; empty: packhouse
	Edits         []Edit    // applied after all other answers
	Quick         bool      // skip probes: a wizard runs them step by step
	// ReadFile reads password files. Nil: [trust.ReadInput].
	ReadFile func(name string) ([]byte, error)
}

// Document is an answers file.
type Document struct {
	Name   string         // for messages
	Values Values         //
	Lines  map[string]int // 1-based line of each key
}

// read reads a file given by a flag.
func (r *resolver) read(name string) ([]byte, error) {
	if r.input.ReadFile != nil {
		return r.input.ReadFile(name)
	}
	return trust.ReadInput(name, trust.MaxInput)
}

// Origin is the source of an answer.
type Origin string

// Origins, the highest precedence first.
const (
	FromFlag         Origin = "flag"
	FromEnvironment  Origin = "environment"
	FromAnswersFile  Origin = "answers file"
	FromInstallation Origin = "existing installation"
	FromDetection    Origin = "detected"
	FromDefault      Origin = "default"
	FromTyping       Origin = "typed"
)

// Resolved holds an answer to every question, with its origin.
type Resolved struct {
	Answers question.Answers
	Origins map[string]Origin // by [question.Question.ID]
}
