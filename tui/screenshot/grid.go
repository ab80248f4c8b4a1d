package main

import (
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// cell is one cell of the screen.
type cell struct {
	text    string // a grapheme; empty: blank, or the right half of a wide one
	width   int
	colour  int // one of the sixteen; -1: the default
	back    int
	bold    bool
	faint   bool
	reverse bool
}

// style is the current style while a screen is parsed.
type style struct {
	colour, back         int
	bold, faint, reverse bool
}

var plain = style{colour: -1, back: -1}

// parse parses a captured screen: text with line ends and SGR escape sequences. It ignores other
// sequences.
func parse(screen string, cols, rows int) [][]cell {
	grid := make([][]cell, rows)
	for y := range grid {
		grid[y] = make([]cell, cols)
		for x := range grid[y] {
			grid[y][x] = cell{colour: -1, back: -1}
		}
	}
	now, x, y := plain, 0, 0
	var state byte
	for len(screen) > 0 {
		sequence, width, n, next := ansi.DecodeSequence(screen, state, nil)
		state, screen = next, screen[n:]
		switch {
		case sequence == "\n":
			x, y = 0, y+1
		case strings.HasPrefix(sequence, "\x1b[") && strings.HasSuffix(sequence, "m"):
			now = now.set(sequence[2 : len(sequence)-1])
		case width > 0:
			if y < rows && x < cols {
				grid[y][x] = cell{sequence, width, now.colour, now.back, now.bold, now.faint, now.reverse}
			}
			x += width
		}
	}
	return grid
}

// set applies the parameters of one SGR sequence (ECMA-48), limited to sixteen colours.
func (s style) set(parameters string) style {
	for parameter := range strings.SplitSeq(parameters, ";") {
		n, err := strconv.Atoi(parameter)
		if err != nil && parameter != "" {
			continue
		}
		switch {
		case n == 0:
			s = plain
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 7:
			s.reverse = true
		case n == 22:
			s.bold, s.faint = false, false
		case n == 27:
			s.reverse = false
		case n >= 30 && n <= 37:
			s.colour = n - 30
		case n == 39:
			s.colour = -1
		case n >= 40 && n <= 47:
			s.back = n - 40
		case n == 49:
			s.back = -1
		case n >= 90 && n <= 97:
			s.colour = n - 90 + 8
		}
	}
	return s
}
