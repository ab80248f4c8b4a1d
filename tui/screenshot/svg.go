package main

import (
	"fmt"
	"html"
	"strings"
)

// Sizes in units of the picture. A cell of 8.43 by 19 fits DejaVu Sans Mono at 14 units, with some
// spacing.
const (
	fontSize   = 14.0
	cellWidth  = 8.43
	cellHeight = 19.0
	padding    = 16.0
	titleBar   = 34.0
	margin     = 18.0
)

// Default colours, and the sixteen.
const (
	background = "#1b1f27"
	foreground = "#d8dee9"
	barColour  = "#262b35"
	edge       = "#3a4150"
)

// Buttons of the window.
var buttons = []string{"#ed6a5e", "#f4be4f", "#61c554"}

var palette = [16]string{
	"#3b4252", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56c2cf", "#d8dee9",
	"#5c6370", "#ef8a92", "#b2d69a", "#f0d399", "#84c3f5", "#d79ae8", "#7fd6e0", "#ffffff",
}

// draw returns the SVG of a screen in a terminal window.
func draw(grid [][]cell, title string) string {
	rows, cols := len(grid), 0
	if rows > 0 {
		cols = len(grid[0])
	}
	innerWidth := float64(cols)*cellWidth + 2*padding
	innerHeight := float64(rows)*cellHeight + 2*padding + titleBar
	var out strings.Builder
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" font-family="DejaVu Sans Mono" font-size="%g">`+"\n",
		innerWidth+2*margin, innerHeight+2*margin, fontSize)
	for i := range 6 { // a soft shadow without filters, which some renderers do not support
		spread := float64(6-i) * 2
		fmt.Fprintf(&out, `<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" rx="%.2f" fill="#000" opacity="0.045"/>`+"\n",
			margin-spread/2, margin+4-spread/2, innerWidth+spread, innerHeight+spread, 10+spread/2)
	}
	fmt.Fprintf(&out, `<rect x="%g" y="%g" width="%.2f" height="%.2f" rx="10" fill="%s" stroke="%s"/>`+"\n",
		margin, margin, innerWidth, innerHeight, background, edge)
	fmt.Fprintf(&out, `<path d="M%g %g v-%g a10 10 0 0 1 10 -10 h%.2f a10 10 0 0 1 10 10 v%g z" fill="%s"/>`+"\n",
		margin, margin+titleBar, titleBar-10, innerWidth-20, titleBar-10, barColour)
	for i, colour := range buttons {
		fmt.Fprintf(&out, `<circle cx="%g" cy="%g" r="6" fill="%s"/>`+"\n", margin+20+float64(i)*20, margin+titleBar/2, colour)
	}
	fmt.Fprintf(&out, `<text x="%.2f" y="%g" text-anchor="middle" font-family="DejaVu Sans" font-size="12.5" fill="#9aa3b2">%s</text>`+"\n",
		margin+innerWidth/2, margin+titleBar/2+4.5, html.EscapeString(title))
	for y, row := range grid {
		drawRow(&out, row, margin+padding, margin+titleBar+padding+float64(y)*cellHeight)
	}
	out.WriteString("</svg>\n")
	return out.String()
}

// drawRow draws a row of cells. Letters of the same style are drawn together; all other characters
// are positioned individually, so that their width in a font cannot shift their neighbours.
func drawRow(out *strings.Builder, row []cell, left, top float64) {
	for x := 0; x < len(row); {
		c := row[x]
		if c.text == "" {
			x++
			continue
		}
		end := x + max(c.width, 1)
		var text strings.Builder
		text.WriteString(c.text)
		for simple(c.text) && end < len(row) && simple(row[end].text) && row[end].looks() == c.looks() {
			text.WriteString(row[end].text)
			end++
		}
		at := left + float64(x)*cellWidth
		width := float64(end-x) * cellWidth
		colour, back := c.colours()
		if back != "" {
			fmt.Fprintf(out, `<rect x="%.2f" y="%.2f" width="%.2f" height="%g" fill="%s"/>`+"\n", at, top, width, cellHeight, back)
		}
		switch path := boxPath(c.text, at, top); {
		case path != "":
			fmt.Fprintf(out, `<path d="%s" stroke="%s" fill="none" stroke-width="1.2"%s/>`+"\n", path, colour, opacity(c))
		case strings.TrimSpace(text.String()) != "":
			weight := ""
			if c.bold {
				weight = ` font-weight="bold"`
			}
			fit := ""
			if simple(c.text) {
				fit = fmt.Sprintf(` textLength="%.2f" lengthAdjust="spacing"`, width)
			}
			fmt.Fprintf(out, `<text x="%.2f" y="%.2f" fill="%s"%s%s%s xml:space="preserve">%s</text>`+"\n",
				at, top+cellHeight*0.74, colour, weight, opacity(c), fit, html.EscapeString(text.String()))
		}
		x = end
	}
}

func simple(text string) bool { return len(text) == 1 && text[0] >= ' ' }

func (c cell) looks() style { return style{c.colour, c.back, c.bold, c.faint, c.reverse} }

// colours returns the foreground and background of the cell; the background is empty if it is the
// window's.
func (c cell) colours() (string, string) {
	colour, back := foreground, ""
	if c.colour >= 0 {
		colour = palette[c.colour]
	}
	if c.back >= 0 {
		back = palette[c.back]
	}
	if c.reverse {
		if back == "" {
			back = background
		}
		return back, colour
	}
	return colour, back
}

func opacity(c cell) string {
	if c.faint {
		return ` opacity="0.58"`
	}
	return ""
}

// boxPath draws box-drawing characters as paths, because those of a font may not join.
func boxPath(text string, x, y float64) string {
	midX, midY, right, bottom := x+cellWidth/2, y+cellHeight/2, x+cellWidth, y+cellHeight
	const r = cellWidth / 2
	switch text {
	case "─":
		return fmt.Sprintf("M%.2f %.2f H%.2f", x, midY, right)
	case "│":
		return fmt.Sprintf("M%.2f %.2f V%.2f", midX, y, bottom)
	case "╭":
		return fmt.Sprintf("M%.2f %.2f V%.2f A%.2f %.2f 0 0 1 %.2f %.2f", midX, bottom, midY+r, r, r, right, midY)
	case "╮":
		return fmt.Sprintf("M%.2f %.2f A%.2f %.2f 0 0 1 %.2f %.2f V%.2f", x, midY, r, r, midX, midY+r, bottom)
	case "╰":
		return fmt.Sprintf("M%.2f %.2f V%.2f A%.2f %.2f 0 0 0 %.2f %.2f", midX, y, midY-r, r, r, right, midY)
	case "╯":
		return fmt.Sprintf("M%.2f %.2f A%.2f %.2f 0 0 0 %.2f %.2f V%.2f", x, midY, r, r, midX, midY-r, y)
	}
	return ""
}
