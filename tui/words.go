package tui

import (
	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// originWords says where an answer comes from. It returns "" for an answer that the user typed.
func originWords(origin answer.Origin) string {
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

// originSentence is the origin as a sentence of its own.
func originSentence(origin answer.Origin) string {
	switch origin {
	case answer.FromFlag, answer.FromEnvironment:
		return "This answer was " + originWords(origin) + "."
	case answer.FromAnswersFile:
		return "This answer is " + originWords(origin) + "."
	case answer.FromInstallation:
		return "This is what the installation has now."
	case answer.FromDetection:
		return "This answer was " + originWords(origin) + "."
	case answer.FromDefault:
		return "This answer is " + originWords(origin) + "."
	case answer.FromTyping:
	}
	return ""
}

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
	lines := layout.Hang(sign, clean(f.Sentence()), width)
	for i := range lines {
		lines[i] = style.Render(lines[i])
	}
	return lines
}
