package layout

import (
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/ansi"
)

// Box is a frame with a title in its upper edge and a remark in its lower one.
type Box struct {
	Title  string
	Remark string         // "3 more below", or nothing
	Edge   lipgloss.Style // of the lines
	Head   lipgloss.Style // of the title
	Mark   string         // one column wide, in the margin of the lines that Marked says
	Marked []bool         // by line
}

// Inner is the room that a box of the given size leaves for what it holds: two columns on each side, of them one for the line.
func Inner(width, height int) (int, int) { return max(width-4, 0), max(height-2, 0) }

// Render draws the box, exactly width by height, around lines that are fitted into it.
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

// edge draws the upper or the lower line, with a label near its left or its right end.
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
