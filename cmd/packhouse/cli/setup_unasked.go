package cli

import (
	"packhouse/finding"
)

// SayFindings prints all findings about the answers together.
func (a *App) SayFindings(findings []finding.Finding) {
	for _, f := range findings {
		switch f.Severity {
		case finding.Refused:
			a.Say("error: %s", f)
		case finding.Warning:
			a.Warn("%s", f)
		case finding.Note:
			a.Say("note: %s", f)
		}
	}
}
