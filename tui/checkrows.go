package tui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"packhouse/setup/check"
	"packhouse/tui/describe"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// checkLines draws a check: sign, title, observation and duration; and below it the cause and the
// remedy of a finding.
func (c *checksScreen) checkLines(row checkRow, width int) []string {
	t := c.theme
	const titleWidth = 16
	if row.result == nil {
		if row.doing == "" {
			return []string{layout.Cut(t.Muted.Render(theme.Ahead+" "+layout.Clean(row.title)), width)}
		}
		return []string{layout.Cut(c.spinner.View()+" "+layout.Pad(layout.Clean(row.title), titleWidth)+"  "+t.Muted.Render(layout.Clean(row.doing)+" …"), width)}
	}
	result := row.result
	sign, word, style := theme.Unknown, string(check.NotProven)+": ", t.Muted
	switch result.Status {
	case check.Passed:
		sign, word, style = theme.Done, "", t.Good
	case check.Warning:
		sign, word, style = theme.Caution, "", t.Warning
	case check.Failed:
		sign, word, style = theme.Failed, "failed: ", t.Bad
	case check.NotProven:
	}
	took := describe.Duration(result.Took)
	room := width - 2 - titleWidth - 2 - ansi.StringWidth(took) - 1
	if room < 20 { // too narrow for columns: the observation goes below
		lines := []string{layout.Ends(style.Render(sign)+" "+layout.Clean(result.Title), t.Muted.Render(took), width)}
		lines = append(lines, c.indented(word+result.Seen+describe.Reason(result), width, style, result.Status == check.Passed)...)
		return append(lines, c.adviceLines(result.Advice, 2, width)...)
	}
	seen := layout.Wrap(word+layout.Clean(result.Seen), room)
	lines := []string{layout.Ends(style.Render(sign)+" "+layout.Pad(layout.Clean(result.Title), titleWidth)+"  "+seen[0], t.Muted.Render(took), width)}
	for _, line := range seen[1:] {
		lines = append(lines, fmt.Sprintf("%*s", titleWidth+4, "")+line)
	}
	if why := describe.Reason(result); why != "" && result.Status != check.Passed {
		for _, line := range layout.Wrap(layout.Clean(why[1:]), width-titleWidth-4) {
			lines = append(lines, fmt.Sprintf("%*s", titleWidth+4, "")+style.Render(line))
		}
	}
	return append(lines, c.adviceLines(result.Advice, titleWidth+4, width)...)
}

// adviceLines draw advice of a check that passed. Its first line is a sentence; the other lines are
// for copying, so they keep their line ends and start further left in a narrow window.
func (c *checksScreen) adviceLines(advice string, indent, width int) []string {
	if advice == "" {
		return nil
	}
	sentence, copied, _ := strings.Cut(layout.Clean(advice), "\n")
	var out []string
	margin := strings.Repeat(" ", indent)
	for _, line := range layout.Hang("· ", sentence, width-indent) {
		out = append(out, margin+c.theme.Muted.Render(line))
	}
	if copied == "" {
		return out
	}
	margin = strings.Repeat(" ", 2)
	for line := range strings.SplitSeq(copied, "\n") {
		if ansi.StringWidth(margin+line) > width { // whole, rather than on one line
			out = append(out, layout.Wrap(line, width)...)
			continue
		}
		out = append(out, margin+line)
	}
	return out
}

func (c *checksScreen) indented(text string, width int, style interface{ Render(...string) string }, quiet bool) []string {
	var out []string
	for _, line := range layout.Wrap(layout.Clean(text), width-2) {
		if quiet {
			out = append(out, "  "+c.theme.Muted.Render(line))
		} else {
			out = append(out, "  "+style.Render(line))
		}
	}
	return out
}
