package question

import (
	"slices"

	"packhouse/finding"
	"packhouse/setup"
)

// refused returns one finding that setup refuses to continue with.
func refused(code, what, remedy string) []finding.Finding {
	return []finding.Finding{setup.Refuse(code, what, remedy)}
}

// refusedf is refused with a remedy that refers to questions.
func refusedf(code, what, remedy string, refs ...any) []finding.Finding {
	return []finding.Finding{setup.Refuse(code, what, "").WithRemedy(finding.Textf(remedy, refs...))}
}

// warned returns one warning.
func warned(code, what, remedy string) []finding.Finding {
	return []finding.Finding{setup.Warn(code, what, remedy)}
}

// noted returns one note.
func noted(code, what, remedy string) []finding.Finding {
	return []finding.Finding{setup.Remark(code, what, remedy)}
}

// onlyWarned turns refusals into warnings.
func onlyWarned(findings []finding.Finding) []finding.Finding {
	for i := range findings {
		if findings[i].Severity == finding.Refused {
			findings[i].Severity = finding.Warning
		}
	}
	return findings
}

// ByFlag refers to the question that a flag answers: scripts read the flag, the wizard shows the
// title of the question.
func ByFlag(flag string) finding.Ref {
	return finding.Ref{Text: flag, Title: "“" + titleOf(flag) + "”"}
}

// withFlag is byFlag after the preposition "with". rest is what scripts read after the flag.
func withFlag(flag, rest string) finding.Ref {
	return finding.Ref{Text: "with " + flag + rest, Title: "at “" + titleOf(flag) + "”"}
}

// titleOf returns the title of the question that a flag answers.
func titleOf(flag string) string {
	for _, q := range rows() {
		if q.Step != "" && slices.Contains(q.FlagNames(), flag) {
			return q.Title
		}
	}
	return flag
}
