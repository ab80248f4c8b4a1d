package tui

import (
	"fmt"
	"io"
	"strings"

	"packhouse/setup/answer"
)

// typed returns answers that were given and not written; false: there are none.
func (m *model) typed() (answer.Resolved, bool) {
	for _, origin := range m.origins {
		if origin == answer.FromTyping {
			return m.resolved(), true
		}
	}
	if m.kept != nil {
		return *m.kept, true
	}
	return answer.Resolved{}, false
}

// howToResume prints, after the screen was left, the command that continues with the answers given so far. how is the flag that selected the
// interface, or "".
func (m *model) howToResume(words io.Writer, how string) {
	if answers, ok := m.typed(); ok {
		line := strings.Replace(answers.CommandLine(), " --yes", how, 1)
		fmt.Fprintf(words, "the answers were not written; to go on with them, typed passwords apart:\n%s\n", line)
	}
}

// afterTheInput says what to do where the input ended before the answers did.
func (m *model) afterTheInput() string {
	if answers, ok := m.typed(); ok {
		return "without questions, and typed passwords apart, the answers so far are: " + answers.CommandLine()
	}
	return m.options.Pasteable("packhouse setup --yes asks nothing")
}
