package question

import (
	"slices"

	"packhouse/finding"
)

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
