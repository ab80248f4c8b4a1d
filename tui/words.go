package tui

import (
	"errors"
	"strings"

	"packhouse/finding"
	"packhouse/setup/question"
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
func originWords(origin question.Origin) string {
	switch origin {
	case question.FromFlag:
		return "given by a flag"
	case question.FromEnvironment:
		return "given by the environment"
	case question.FromAnswersFile:
		return "from the answers file"
	case question.FromInstallation:
		return "as it is now"
	case question.FromDetection:
		return "detected on this machine"
	case question.FromDefault:
		return "the default"
	case question.FromTyping:
	}
	return ""
}

// originSentence is the origin as a sentence of its own.
func originSentence(origin question.Origin) string {
	switch origin {
	case question.FromFlag, question.FromEnvironment:
		return "This answer was " + originWords(origin) + "."
	case question.FromAnswersFile:
		return "This answer is " + originWords(origin) + "."
	case question.FromInstallation:
		return "This is what the installation has now."
	case question.FromDetection:
		return "This answer was " + originWords(origin) + "."
	case question.FromDefault:
		return "This answer is " + originWords(origin) + "."
	case question.FromTyping:
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
