package setup

import (
	"fmt"
	"slices"
)

// Severity is the severity of a [Finding].
type Severity string

// Severities.
const (
	Refused Severity = "refused" // setup does not continue until it is fixed
	Warning Severity = "warning" // setup continues; the operator should review it
	Note    Severity = "note"    // worth knowing
)

// rank returns the sort rank of a severity: refusals first.
func (s Severity) rank() int {
	switch s {
	case Refused:
		return 0
	case Warning:
		return 1
	default:
		return 2
	}
}

// Finding is a problem with an answer, or a note about it. It never contains a secret.
type Finding struct {
	Question string   `json:"question"`          // Question.ID
	Subject  string   `json:"subject,omitempty"` // in a list: the name or user concerned
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // stable, explained in docs/troubleshooting.md
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"`
	Flag     string   `json:"flag,omitempty"` // "--addr"
}

// String returns one line: the flag, the problem, and after a semicolon the remedy.
func (f Finding) String() string {
	s := f.What
	if f.Flag != "" {
		s = f.Flag + ": " + s
	}
	if f.Remedy != "" {
		s = fmt.Sprintf("%s; %s", s, f.Remedy)
	}
	return s
}

// Sentence returns the problem and after a semicolon the remedy, without the flag.
func (f Finding) Sentence() string {
	f.Flag = ""
	return f.String()
}

// AnyRefused reports whether one of the findings is Refused.
func AnyRefused(findings []Finding) bool {
	for _, f := range findings {
		if f.Severity == Refused {
			return true
		}
	}
	return false
}

// BySeverity returns a copy of findings in which refusals come first and notes last.
func BySeverity(findings []Finding) []Finding {
	return slices.SortedStableFunc(slices.Values(findings), func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() })
}
