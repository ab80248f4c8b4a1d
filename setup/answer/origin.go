package answer

import (
	"packhouse/setup/question"
)

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
