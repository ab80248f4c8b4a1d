package session

import (
	"errors"
	"strings"

	"packhouse/finding"
)

// Titled rewords findings for interactive use: they name questions, not flags.
func Titled(findings []finding.Finding) []finding.Finding {
	for i := range findings {
		findings[i] = findings[i].Titled()
	}
	return findings
}

// Words returns the text of an error for interactive use, one line for each finding.
func Words(err error) string {
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok {
		return err.Error()
	}
	lines := make([]string, len(refusal.Findings))
	for i, f := range refusal.Findings {
		lines[i] = f.Titled().Sentence()
	}
	return strings.Join(lines, "\n")
}
