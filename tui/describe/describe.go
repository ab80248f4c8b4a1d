// Package describe says in words what the screens and the line mode show: the state of an
// installation, the origin of an answer, the results of checks. Text from outside is not made safe
// to draw, except where that is said.
package describe

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"packhouse/pattern"
	"packhouse/setup/answer"
	"packhouse/setup/check"
	"packhouse/setup/plan"
	"packhouse/tui/layout"
	"packhouse/tui/session"
)

// Origin says where an answer comes from. It returns "" for an answer that the user typed.
func Origin(origin answer.Origin) string {
	switch origin {
	case answer.FromFlag:
		return "given by a flag"
	case answer.FromEnvironment:
		return "given by the environment"
	case answer.FromAnswersFile:
		return "from the answers file"
	case answer.FromInstallation:
		return "as it is now"
	case answer.FromDetection:
		return "detected on this machine"
	case answer.FromDefault:
		return "the default"
	case answer.FromTyping:
	}
	return ""
}

// OriginSentence is Origin as a whole sentence.
func OriginSentence(origin answer.Origin) string {
	switch origin {
	case answer.FromFlag, answer.FromEnvironment:
		return "This answer was " + Origin(origin) + "."
	case answer.FromAnswersFile:
		return "This answer is " + Origin(origin) + "."
	case answer.FromInstallation:
		return "This is what the installation has now."
	case answer.FromDetection:
		return "This answer was " + Origin(origin) + "."
	case answer.FromDefault:
		return "This answer is " + Origin(origin) + "."
	case answer.FromTyping:
	}
	return ""
}

// Reason returns cause, remedy and code of a finding, each on its own line.
func Reason(result *check.Result) string {
	out := ""
	if result.Finding.What != "" {
		out += "\ncause: " + result.Finding.What
	}
	if result.Finding.Remedy != "" {
		out += "\nremedy: " + result.Finding.Remedy
	}
	if result.Finding.Code != "" {
		out += "\n(" + result.Finding.Code + ")"
	}
	return out
}

// Report returns the result of the checks in one sentence.
func Report(report check.Report) string {
	count := make(map[check.Status]int)
	for _, result := range report.Results {
		count[result.Status]++
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d of %d checks passed", count[check.Passed], len(report.Results))
	for _, rest := range []struct {
		status check.Status
		words  string
	}{{check.Failed, "failed"}, {check.Warning, "with a warning"}, {check.NotProven, "not proven"}} {
		if n := count[rest.status]; n > 0 {
			fmt.Fprintf(&text, ", %d %s", n, rest.words)
		}
	}
	return text.String()
}

// Duration formats a duration for people.
func Duration(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Millisecond:
		return "<1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// FaultPlace returns the line and column of a fault, with a colon, or "".
func FaultPlace(fault plan.Fault) string {
	switch {
	case fault.Line > 0 && fault.Column > 0:
		return fmt.Sprintf("line %d, column %d: ", fault.Line, fault.Column)
	case fault.Line > 0:
		return fmt.Sprintf("line %d: ", fault.Line)
	}
	return ""
}

// Progress describes a change that is being made.
func Progress(verb, path string) string {
	if path == "." {
		return verb + " the directory"
	}
	return verb + " " + path
}

// fingerprint is a SHA-256 as certificates show it.
var fingerprint = pattern.Lazy(`\b(?:[0-9A-F]{2}:){31}[0-9A-F]{2}\b`)

// Fingerprints keeps both ends of each fingerprint, which people compare. The card and the
// handoff show it in full.
func Fingerprints(text string) string {
	return fingerprint().ReplaceAllStringFunc(text, func(whole string) string {
		return whole[:11] + "…" + whole[len(whole)-5:]
	})
}

// Path returns a path relative to the installation directory, if it is below it.
func Path(dir, path string) string {
	if inner, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(inner, "..") {
		if inner == "." {
			return layout.Clean(path)
		}
		return layout.Clean(inner)
	}
	return layout.Clean(path)
}

// Resume returns the lines that say how to continue with the answers of a session that was left, or
// "". flag selects the interface, with a leading space; it may be empty.
func Resume(s *session.Session, flag string) string {
	answers, pending := s.Pending()
	if !pending {
		return ""
	}
	return "the answers were not written; to continue with them (typed passwords excepted):\n" +
		strings.Replace(answers.CommandLine(), " --yes", flag, 1) + "\n"
}

// WithoutQuestions says how to set up without questions, with the answers so far if there are any.
func WithoutQuestions(s *session.Session) string {
	if answers, pending := s.Pending(); pending {
		return "the answers so far, typed passwords excepted, as a command: " + answers.CommandLine()
	}
	return s.Options.Pasteable("packhouse setup --yes asks nothing")
}
