package tui

import (
	"errors"
	"strings"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// worded rewords findings for interactive use, where there are no flags.
func worded(findings []finding.Finding) []finding.Finding {
	for i := range findings {
		findings[i] = findings[i].Titled()
	}
	return findings
}

// originWords says where an answer comes from; what was typed needs no words.
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

// drawFinding draws what is wrong, or worth knowing, with a sign and a colour.
func (m *model) drawFinding(f finding.Finding, width int) []string {
	sign, style := "  · ", m.theme.Muted
	switch f.Severity {
	case finding.Refused:
		sign, style = "  "+theme.Failed+" ", m.theme.Bad
	case finding.Warning:
		sign, style = "  "+theme.Caution+" ", m.theme.Warning
	case finding.Note:
	}
	lines := layout.Hang(sign, clean(f.Sentence()), width)
	for i := range lines {
		lines[i] = style.Render(lines[i])
	}
	return lines
}

// inWords rewords an error for interactive use, without the flags in it.
func inWords(err error) string {
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok {
		return err.Error()
	}
	said := make([]string, len(refusal.Findings))
	for i, f := range refusal.Findings {
		said[i] = f.Titled().Sentence()
	}
	return strings.Join(said, "\n")
}
