package tui

import (
	"fmt"
	"io"
	"strings"

	"packhouse/setup"
)

// typed is what somebody answered and nobody wrote down; false: nothing of the kind.
func (m *model) typed() (setup.Resolved, bool) {
	for _, origin := range m.origins {
		if origin == setup.FromTyping {
			return m.resolved(), true
		}
	}
	if m.kept != nil {
		return *m.kept, true
	}
	return setup.Resolved{}, false
}

// howToGoOn says, once the screen is the shell's again, how the answers of somebody who left are not lost: a terminal that was closed, or a
// question that first needs something looked up, costs nobody the other answers.
// How they were asked, a flag or nothing, is how it goes on.
func (m *model) howToGoOn(words io.Writer, how string) {
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
	return "packhouse setup --yes asks nothing"
}
