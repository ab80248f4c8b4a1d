// Package layout fits text into a terminal: every function returns exactly the requested size,
// whatever its input.
//
// Widths are in terminal cells: wide characters take two, escape sequences none.
package layout

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Ellipsis marks truncated text.
const Ellipsis = "…"

// Cut truncates a line to a width, with an ellipsis.
func Cut(line string, width int) string {
	switch {
	case width <= 0:
		return ""
	case ansi.StringWidth(line) <= width:
		return line
	}
	return ansi.Truncate(line, width, Ellipsis)
}

// Pad pads or truncates a line to exactly a width.
func Pad(line string, width int) string {
	line = Cut(line, width)
	if missing := width - ansi.StringWidth(line); missing > 0 {
		line += strings.Repeat(" ", missing)
	}
	return line
}

// Ends aligns one text left and one right in a line; the left one is truncated if needed.
func Ends(left, right string, width int) string {
	right = Cut(right, max(width-1, 0))
	rest := width - ansi.StringWidth(right)
	if right == "" {
		return Cut(left, width)
	}
	return Pad(Cut(left, rest-1), rest) + right
}

// Wrap wraps text without styles at spaces, and inside words only if a word is wider than the line:
// it does not split dates or addresses at hyphens. It keeps existing line breaks.
func Wrap(text string, width int) []string {
	if width <= 0 {
		return nil
	}
	var out []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for word := range strings.SplitSeq(paragraph, " ") {
			switch room := width - ansi.StringWidth(line) - 1; {
			case line != "" && ansi.StringWidth(word) <= room:
				line += " " + word
				continue
			case line != "":
				out = append(out, line)
			}
			for ansi.StringWidth(word) > width {
				piece := ansi.Truncate(word, width, "")
				if piece == "" { // a wide character in a single column
					word = Ellipsis
					break
				}
				out = append(out, piece)
				word = word[len(piece):]
			}
			line = word
		}
		out = append(out, line)
	}
	return out
}

// Hang wraps text after a sign; further lines are indented by the sign's width.
func Hang(sign, text string, width int) []string {
	indent := ansi.StringWidth(sign)
	if width <= indent {
		return Wrap(sign+text, width)
	}
	lines := Wrap(text, width-indent)
	for i := range lines {
		if i == 0 {
			lines[i] = sign + lines[i]
		} else {
			lines[i] = strings.Repeat(" ", indent) + lines[i]
		}
	}
	return lines
}

// Fit makes a block exactly width by height: it truncates, pads, adds and drops lines as needed.
func Fit(lines []string, width, height int) []string {
	out := make([]string, 0, max(height, 0))
	for i := range height {
		line := ""
		if i < len(lines) {
			line = lines[i]
		}
		out = append(out, Pad(line, width))
	}
	return out
}

// Beside joins blocks horizontally with a column between them. All must have the same number of
// lines.
func Beside(blocks ...[]string) []string {
	if len(blocks) == 0 {
		return nil
	}
	out := make([]string, len(blocks[0]))
	for i := range out {
		row := make([]string, 0, len(blocks))
		for _, block := range blocks {
			row = append(row, block[i])
		}
		out[i] = strings.Join(row, " ")
	}
	return out
}

// Clamp is the final step for a frame: it limits width and height to the window and trims trailing
// space. If the frame is too tall, it keeps the last line, which is the help line, and drops the
// lines before it.
func Clamp(frame []string, width, height int) string {
	if width <= 0 || height <= 0 {
		return ""
	}
	if len(frame) > height {
		last := frame[len(frame)-1]
		frame = append(append([]string{}, frame[:height-1]...), last)
	}
	out := make([]string, len(frame))
	for i, line := range frame {
		line = Cut(line, width)
		if !strings.Contains(line, "\x1b") {
			line = strings.TrimRight(line, " ")
		}
		out[i] = line
	}
	return strings.Join(out, "\n")
}

// Window returns a section of lines with the given height that contains the line focus, with as
// little scrolling as possible, and the new top.
func Window(lines []string, top, focus, height int) ([]string, int) {
	if height <= 0 {
		return nil, 0
	}
	if focus >= 0 {
		top = max(min(top, focus), focus-height+1)
	}
	top = max(min(top, len(lines)-height), 0)
	return lines[top:min(top+height, len(lines))], top
}
