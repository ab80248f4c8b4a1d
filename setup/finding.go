package setup

import (
	"errors"
	"os"
	"slices"
	"strings"

	"packhouse/finding"
	"packhouse/trust"
)

// Clip returns at most the first 60 characters of s, followed by an ellipsis if it is longer.
func Clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Refuse returns a finding that setup refuses to continue with.
func Refuse(code, what, remedy string) finding.Finding {
	return finding.Finding{Severity: finding.Refused, Code: code, What: what, Remedy: remedy}
}

// Warn returns a warning.
func Warn(code, what, remedy string) finding.Finding {
	return finding.Finding{Severity: finding.Warning, Code: code, What: what, Remedy: remedy}
}

// Remark returns a note.
func Remark(code, what, remedy string) finding.Finding {
	return finding.Finding{Severity: finding.Note, Code: code, What: what, Remedy: remedy}
}

// Refusal returns an error with one refused finding.
func Refusal(code, what, remedy string) error { return finding.NewError(Refuse(code, what, remedy)) }

// Absolute returns path as an absolute path, so that it does not depend on the working directory.
// It expands a leading ~, as the shell does not for text typed here or after an = sign.
func Absolute(path string) (string, error) {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || strings.HasPrefix(rest, "/")) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("begins with ~, and no home directory is known; write the whole path")
		}
		path = home + rest
	}
	return trust.Abs(path)
}

// FixUnread returns the remedy for a file given by a flag that cannot be read.
func FixUnread(err error) string {
	if fault := trust.Unsafe(err); fault != nil {
		return fault.Fix
	}
	return "check the path, and that this user may read it"
}

// SameNames compares two lists, ignoring order.
func SameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// SplitList splits text at commas and drops empty elements.
func SplitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
