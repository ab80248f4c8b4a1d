package templates

import "strings"

// cell writes a string into a table of Markdown, in which it is one cell and stays as it is.
func cell(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "<", `\<`, "[", `\[`).Replace(s)
}
