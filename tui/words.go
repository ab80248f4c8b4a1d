package tui

import (
	"packhouse/finding"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// drawFinding draws a finding with a sign and a color.
func (u *ui) drawFinding(f finding.Finding, width int) []string {
	sign, style := "  · ", u.theme.Muted
	switch f.Severity {
	case finding.Refused:
		sign, style = "  "+theme.Failed+" ", u.theme.Bad
	case finding.Warning:
		sign, style = "  "+theme.Caution+" ", u.theme.Warning
	case finding.Note:
	}
	lines := layout.Hang(sign, layout.Clean(f.Sentence()), width)
	for i := range lines {
		lines[i] = style.Render(lines[i])
	}
	return lines
}
