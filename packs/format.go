package packs

import (
	"bytes"
	"encoding/json"
	"strings"
)

// maxIndented is the maximum size of an indented text in bytes.
const maxIndented = 512 << 10

// IndentJSON formats a JSON text that is on one line. It returns other texts unchanged, and those that
// are nested more than maxDepth deep or that would have more than maxIndented bytes: indented, each
// value takes twice its depth.
func IndentJSON(text string) string {
	if strings.Count(strings.TrimSpace(text), "\n") > 1 || !canIndent(text) {
		return text
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(text), "", "  ") != nil {
		return text
	}
	return b.String()
}

// canIndent reports whether an indented text would be within the limits.
func canIndent(text string) bool {
	depth, size := 0, 0
	inString, escaped := false, false
	for i := range len(text) {
		c := text[i]
		size++
		if inString {
			inString = escaped || c != '"'
			escaped = !escaped && c == '\\'
			continue
		}
		switch c {
		case '"':
			inString = true
		case '{', '[':
			depth++
			size += 1 + 2*depth
		case ',':
			size += 1 + 2*depth
		case '}', ']':
			depth--
			size += 1 + 2*max(depth, 0)
		case ':':
			size++
		}
		if depth > maxDepth || size > maxIndented {
			return false
		}
	}
	return true
}
