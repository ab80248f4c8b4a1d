package templates

import "strings"

// cell escapes a string for one cell of a Markdown table.
func cell(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "<", `\<`, "[", `\[`).Replace(s)
}
