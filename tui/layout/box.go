package layout

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// Box is a frame with a title in its top edge and a remark in its bottom edge.
type Box struct {
	Title  string
	Remark string         // "3 more below", or empty
	Edge   lipgloss.Style // style of the lines
	Head   lipgloss.Style // style of the title
	Mark   string         // one column wide, in the margin of lines that are Marked
	Marked []bool         // by line
}

// Inner returns the size of the content of a box: it needs two columns on each side, one of them
// for the line.
func Inner(width, height int) (int, int) { return max(width-4, 0), max(height-2, 0) }

// Render renders the box, exactly width by height, with lines fitted into it.
func (b Box) Render(lines []string, width, height int) []string {
	if width < 6 || height < 3 {
		return Fit(lines, width, height)
	}
	innerWidth, innerHeight := Inner(width, height)
	border := lipgloss.RoundedBorder()
	out := make([]string, 0, height)
	out = append(out, b.edge(border.TopLeft, border.Top, border.TopRight, b.Head.Render(Cut(b.Title, width-6)), b.Title, width, true))
	side := b.Edge.Render(border.Left)
	for i, line := range Fit(lines, innerWidth, innerHeight) {
		margin := " "
		if i < len(b.Marked) && b.Marked[i] {
			margin = b.Mark
		}
		out = append(out, side+margin+line+" "+side)
	}
	return append(out, b.edge(border.BottomLeft, border.Bottom, border.BottomRight, b.Edge.Render(Cut(b.Remark, width-6)), b.Remark, width, false))
}

// edge renders the top or bottom edge, with a label near its left or right end.
func (b Box) edge(left, line, right, label, plain string, width int, atLeft bool) string {
	if plain == "" {
		return b.Edge.Render(left + strings.Repeat(line, width-2) + right)
	}
	label = " " + label + " "
	rest := strings.Repeat(line, max(width-3-ansi.StringWidth(label), 0))
	if atLeft {
		return b.Edge.Render(left+line) + label + b.Edge.Render(rest+right)
	}
	return b.Edge.Render(left+rest) + label + b.Edge.Render(line+right)
}
