package layout

import (
	"slices"
)

// Chooser is a list of items below a text. The chosen item is always visible: in a low window text
// and list are windows of their own, which page keys and arrow keys scroll.
type Chooser struct {
	At  int // index of the chosen item
	Top int // first visible line of the text
}

// leastItems is how many lines of the list stay visible however long the text is.
const leastItems = 3

// Key handles a key that moves through the text or a list of n items in a window of that height. It
// reports whether the key was one of those.
func (c *Chooser) Key(name string, n, height int) bool {
	last := max(n-1, 0)
	switch name {
	case "up", "k", "shift+tab":
		c.At = max(c.At-1, 0)
	case "down", "j", "tab":
		c.At = min(c.At+1, last)
	case "home", "g":
		c.At, c.Top = 0, 0
	case "end", "G":
		c.At = last
	case "pgup":
		c.Top -= max(height/4, 1)
	case "pgdown":
		c.Top += max(height/4, 1)
	default:
		return false
	}
	return true
}

// Show returns the visible lines of text and items, and how much of the text is not visible. The
// chosen item is drawn in the lines first to last of items.
func (c *Chooser) Show(text, items []string, first, last, height int) ([]string, string) {
	if len(text)+1+len(items) <= height {
		c.Top = 0
		return append(append(text, ""), items...), ""
	}
	room := min(len(items), max(height-len(text)-1, leastItems, last-first+1, height/2), height)
	list, _ := Window(items, max(first-(room-(last-first+1))/2, 0), -1, room)
	head := height - len(list) - 1
	if head <= 0 {
		return list, ""
	}
	shown, below := Scroll(text, &c.Top, -1, head)
	return append(append(slices.Clip(shown), ""), list...), below
}
