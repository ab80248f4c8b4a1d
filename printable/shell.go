package printable

import (
	"strings"

	"packhouse/pattern"
)

// harmless matches words that no shell interprets.
var harmless = pattern.Lazy(`^[A-Za-z0-9_./:@%+=,-]+$`)

// Shell returns word quoted for a POSIX shell, if it needs quotes.
func Shell(word string) string {
	if harmless().MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
