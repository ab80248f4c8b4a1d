package tui

import (
	"strings"

	"github.com/charmbracelet/lipgloss"

	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// stateLines draws the state of the installation.
func (u *ui) stateLines(width int) []string {
	t := u.theme
	var lines []string
	const labelWidth = 13
	describe.State(u.session, u.session.Options.Pasteable, func(label, sign, text string) {
		if width < 4*labelWidth { // a column of labels would leave none for words
			lines = append(lines, u.narrowState(label, sign, text, width)...)
			return
		}
		style := u.signStyle(sign)
		for i, line := range layout.Wrap(layout.Clean(text), max(width-labelWidth-2, 8)) {
			mark := " "
			if i == 0 {
				mark = sign
			} else {
				label = ""
			}
			lines = append(lines, layout.Cut(t.Muted.Render(layout.Pad(label, labelWidth))+style.Render(mark)+" "+line, width))
		}
	})
	return lines
}

// narrowState draws one line of the state where there is no room for a column of labels.
func (u *ui) narrowState(label, sign, text string, width int) []string {
	lead := sign + " "
	if label == "" {
		lead = "  " + lead
	} else {
		text = label + ": " + text
	}
	lines := layout.Hang(lead, layout.Clean(text), width)
	rest := lines[0][len(lead):]
	if after, ok := strings.CutPrefix(rest, label+":"); ok && label != "" {
		rest = u.theme.Muted.Render(label+":") + after
	}
	lines[0] = u.signStyle(sign).Render(lead) + rest
	return lines
}

// signStyle returns the style of a sign.
func (u *ui) signStyle(sign string) lipgloss.Style {
	switch sign {
	case theme.Done:
		return u.theme.Good
	case theme.Caution:
		return u.theme.Warning
	case theme.Failed:
		return u.theme.Bad
	case theme.Note:
		return u.theme.Muted
	}
	return u.theme.Plain
}
