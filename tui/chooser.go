package tui

// chooser is a list of things to do below words that may fill a low window by themselves. Up and down go through both as one reads: they scroll
// until what can be chosen is in sight, and then choose.
type chooser struct {
	at    int // the thing in front
	top   int
	moved bool // a thing was chosen: it stays in sight, also where that pushes the words out
	off   int  // where the thing in front is: -1 above what is in sight, 1 below it, 0 in sight
}

// key takes a key in that goes through a list of n things in a window; it tells whether it was one of those.
func (c *chooser) key(name string, n, height int) bool {
	last := max(n-1, 0)
	switch name {
	case "up", "k", "shift+tab":
		switch {
		case c.off < 0:
			c.moved = true
		case c.off > 0 || c.at == 0:
			c.top, c.moved = c.top-1, false
		default:
			c.at, c.moved = c.at-1, true
		}
	case "down", "j", "tab":
		switch {
		case c.off < 0:
			c.moved = true
		case c.off > 0:
			c.top, c.moved = c.top+1, false
		default:
			c.at, c.moved = min(c.at+1, last), true
		}
	case "home", "g":
		c.at, c.top, c.moved = 0, 0, false
	case "end", "G":
		c.at, c.moved = last, true
	case "pgup":
		c.top, c.moved = c.top-height/2, false
	case "pgdown":
		c.top, c.moved = c.top+height/2, false
	default:
		return false
	}
	return true
}

// reveal brings the thing in front into sight; it tells whether that was needed. Nobody starts what is not to be seen.
func (c *chooser) reveal() bool {
	if c.off == 0 {
		return false
	}
	c.moved = true
	return true
}

// show cuts out what is in sight; the thing in front is drawn in the lines from first to last.
func (c *chooser) show(lines []string, first, last, height int) ([]string, string) {
	focus := -1
	if c.moved {
		focus = last
	}
	shown, below := scroll(lines, &c.top, focus, height)
	switch {
	case first < c.top:
		c.off = -1
	case first >= c.top+len(shown):
		c.off = 1
	default:
		c.off = 0
	}
	return shown, below
}
