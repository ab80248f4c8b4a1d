// Package finding has the one type for the results of validation, lint and checks: what is wrong,
// how serious it is, how to fix it, and what it is about.
//
// Packages return findings; user interfaces present them. Nothing parses their texts.
package finding

import (
	"fmt"
	"slices"
)

// Severity is the severity of a [Finding].
type Severity string

// Severities.
const (
	Refused Severity = "error"   // nothing continues until it is fixed
	Warning Severity = "warning" // the operator should review it
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

// Finding is a problem, or a note. It never contains a secret.
type Finding struct {
	Code     string // stable, explained in the documentation
	Severity Severity
	What     string // what is wrong: lower case, no full stop
	Remedy   string // how to fix it; empty if there is nothing to do
	Subject         // what it is about

	what, remedy *Text // of What and Remedy, if they refer to settings
}

// Subject is what a finding is about. All fields can be empty.
type Subject struct {
	Question string // ID of a question of setup
	Flag     string // flag or argument of the command: "--addr"
	Entry    string // in a list: the name or user concerned
	Check    string // what was checked
	Variable string // environment variable
	File     string // path of a file
	Line     int    // of the file, 1-based; 0: the whole file
	Column   int    // 1-based; 0: the whole line
	Key      string // of a configuration: "http.tls.certificate"
	Meant    string // the key that an unknown one probably means; empty: none is similar
}

// Where returns the flag, the variable, or file:line:column as far as known.
func (s Subject) Where() string {
	switch {
	case s.Flag != "":
		return s.Flag
	case s.Variable != "":
		return s.Variable
	case s.File == "" || s.Line == 0:
		return s.File
	case s.Column == 0:
		return fmt.Sprintf("%s:%d", s.File, s.Line)
	}
	return fmt.Sprintf("%s:%d:%d", s.File, s.Line, s.Column)
}

// About returns f with the question and the flag that it is about; empty: none.
func (f Finding) About(question, flag string) Finding {
	f.Question, f.Flag = question, flag
	return f
}

// String returns one line: where, the problem, and after a semicolon the remedy.
func (f Finding) String() string {
	if where := f.Where(); where != "" {
		return where + ": " + f.Sentence()
	}
	return f.Sentence()
}

// Sentence returns the problem and after a semicolon the remedy, without the subject.
func (f Finding) Sentence() string {
	if f.Remedy == "" {
		return f.What
	}
	return fmt.Sprintf("%s; %s", f.What, f.Remedy)
}

// AnyRefused reports whether one of the findings is Refused.
func AnyRefused(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Severity == Refused })
}

// BySeverity returns a copy of findings in which refusals come first and notes last.
func BySeverity(findings []Finding) []Finding {
	return slices.SortedStableFunc(slices.Values(findings),
		func(a, b Finding) int { return a.Severity.rank() - b.Severity.rank() })
}

// Trial is the result of trying one operation. Check of its subject names the operation.
type Trial struct {
	Finding

	Passed     bool
	Tried      bool     // false: an earlier operation failed
	Weaknesses []string // limitations of the service and their consequences, although the operation works
}
