package layout

import "fmt"

// Scroll returns the visible lines, which include the line at index focus, and says how many lines
// are hidden.
func Scroll(lines []string, top *int, focus, height int) ([]string, string) {
	shown, at := Window(lines, *top, focus, height)
	*top = at
	above, below := at, len(lines)-at-len(shown)
	switch {
	case above > 0 && below > 0:
		return shown, fmt.Sprintf("↑ %d ↓ %d more", above, below)
	case above > 0:
		return shown, fmt.Sprintf("↑ %d more", above)
	case below > 0:
		return shown, fmt.Sprintf("↓ %d more", below)
	}
	return shown, ""
}

// Scrolled returns the new first line of a text after a key: by lines, by half windows, or to
// either end. The next View limits it.
func Scrolled(top int, name string, height int) int {
	switch name {
	case "up", "k":
		return top - 1
	case "down", "j":
		return top + 1
	case "pgup":
		return top - height/2
	case "pgdown", " ":
		return top + height/2
	case "home", "g":
		return 0
	case "end", "G":
		return 1 << 20
	}
	return top
}
