package tui

import (
	"fmt"
	"io"
	"strings"

	"packhouse/tui/session"
)

// howToResume prints, after the screen was closed, the command that continues with the answers so
// far. flag selects the interface, with a leading space; it may be empty.
func howToResume(s *session.Session, out io.Writer, flag string) {
	if answers, ok := s.Pending(); ok {
		line := strings.Replace(answers.CommandLine(), " --yes", flag, 1)
		fmt.Fprintf(out, "the answers were not written; to continue with them (typed passwords excepted):\n%s\n", line)
	}
}

// howToContinue returns what to do if the input ended before the answers did.
func howToContinue(s *session.Session, o Options) string {
	if answers, ok := s.Pending(); ok {
		return "the answers so far, typed passwords excepted, as a command: " + answers.CommandLine()
	}
	return o.Pasteable("packhouse setup --yes asks nothing")
}
