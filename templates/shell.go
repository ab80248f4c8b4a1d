package templates

import (
	"regexp"
	"strings"
)

// harmless is what no shell interprets.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]+$`)

// Shell writes a string as one word of a POSIX shell.
func Shell(s string) string {
	if harmless.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// cell writes a string into a table of Markdown, in which it is one cell and stays as it is.
func cell(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "<", `\<`, "[", `\[`).Replace(s)
}
