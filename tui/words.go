package tui

import (
	"errors"
	"strings"

	"packhouse/finding"
	"packhouse/setup"
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
func originWords(origin setup.Origin) string {
	switch origin {
	case setup.FromFlag:
		return "given by a flag"
	case setup.FromEnvironment:
		return "given by the environment"
	case setup.FromAnswersFile:
		return "from the answers file"
	case setup.FromInstallation:
		return "as it is now"
	case setup.FromDetection:
		return "detected on this machine"
	case setup.FromDefault:
		return "the default"
	case setup.FromTyping:
	}
	return ""
}

// originSentence is the origin as a sentence of its own.
func originSentence(origin setup.Origin) string {
	switch origin {
	case setup.FromFlag, setup.FromEnvironment:
		return "This answer was " + originWords(origin) + "."
	case setup.FromAnswersFile:
		return "This answer is " + originWords(origin) + "."
	case setup.FromInstallation:
		return "This is what the installation has now."
	case setup.FromDetection:
		return "This answer was " + originWords(origin) + "."
	case setup.FromDefault:
		return "This answer is " + originWords(origin) + "."
	case setup.FromTyping:
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
