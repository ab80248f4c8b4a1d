package tui

import (
	"bytes"
	"slices"
)

// preview is myconfig.yml for the current answers.
type preview struct {
	text    []byte
	base    []byte       // the text when the current step was entered
	changed map[int]bool // lines of text that are not in base
	focus   int          // the line that changed last
	top     int
}

// refreshPreview updates the preview and marks the lines that changed.
func (s *questionsScreen) refreshPreview() {
	text := body(s.session.Preview())
	p := &s.preview
	if bytes.Equal(text, p.text) {
		return
	}
	before, after := bytes.Split(p.text, []byte("\n")), bytes.Split(text, []byte("\n"))
	if p.text != nil {
		for i := range after {
			if i >= len(before) || !bytes.Equal(before[i], after[i]) {
				p.focus = i
				break
			}
		}
	}
	p.text, p.changed = text, fresh(p.base, text)
}

// body returns a configuration without the comment at its head.
func body(text []byte) []byte {
	rest := text
	for bytes.HasPrefix(rest, []byte("#")) {
		_, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return text
		}
		rest = after
	}
	return bytes.TrimLeft(rest, "\n")
}

// mostCompared is the maximum number of lines that are compared. A longer file is shown without
// marks.
const mostCompared = 1000

// fresh reports which lines of a text are not in an earlier one: those outside the longest common
// subsequence.
func fresh(before, after []byte) map[int]bool {
	was, is := bytes.Split(before, []byte("\n")), bytes.Split(after, []byte("\n"))
	if len(was) > mostCompared || len(is) > mostCompared {
		return nil
	}
	// common[i][j] is the length of the longest common subsequence of was[i:] and is[j:].
	common := make([][]int16, len(was)+1)
	for i := range common {
		common[i] = make([]int16, len(is)+1)
	}
	for i, old := range slices.Backward(was) {
		for j, line := range slices.Backward(is) {
			if bytes.Equal(old, line) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	changed := make(map[int]bool)
	for i, j := 0, 0; j < len(is); {
		switch {
		case i < len(was) && bytes.Equal(was[i], is[j]):
			i, j = i+1, j+1
		case i < len(was) && common[i+1][j] >= common[i][j+1]:
			i++
		default:
			changed[j] = len(bytes.TrimSpace(is[j])) > 0
			j++
		}
	}
	return changed
}

// previewLines draws the preview. It returns the line to keep visible, and the lines to mark.
func (s *questionsScreen) previewLines(width int) (lines []string, focus int, marks map[int]bool) {
	return s.paintYAML(string(s.preview.text), width), s.preview.focus + 2, s.preview.changed
}
