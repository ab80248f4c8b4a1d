// Package preview is a text that is drawn while it changes: it marks the lines that are new since a
// base, and knows which line changed last.
package preview

import (
	"bytes"
	"slices"
)

// Preview is a configuration for the current answers.
type Preview struct {
	Text    []byte       // without the comment at its head
	Changed map[int]bool // indices of lines that are not in the base
	Focus   int          // index of the line that changed last
	Top     int          // first visible line
	base    []byte
}

// Rebase makes the current text the base: no line is new.
func (p *Preview) Rebase() { p.base, p.Changed = p.Text, nil }

// Update sets the text and marks the lines that changed.
func (p *Preview) Update(text []byte) {
	text = body(text)
	if bytes.Equal(text, p.Text) {
		return
	}
	before, after := bytes.Split(p.Text, []byte("\n")), bytes.Split(text, []byte("\n"))
	if p.Text != nil {
		for i := range after {
			if i >= len(before) || !bytes.Equal(before[i], after[i]) {
				p.Focus = i
				break
			}
		}
	}
	p.Text, p.Changed = text, fresh(p.base, text)
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
