package packs

import (
	"bytes"
	"strings"
)

// line is one "key: value" or "- value" of a YAML file.
type line struct {
	number int
	indent int    // of the key, so "- image: x" is at the i of image
	item   bool   // a list's item starts here
	key    string // empty for a bare item
	value  string // without quotes and comment; empty where a mapping, a list or nothing follows
	path   string // of the key: "pack.content.images.image"; list items add nothing
}

// What is kept of one file. Nothing that packs are asked for stands beyond it.
const (
	maxLines   = 100_000
	maxKeyPath = 256
)

// skim reads what YAML files of packs hold without parsing them. They are texts with {{ macros }} and templates before they are YAML, they
// may be many megabytes, and an alias in one may stand for more than a machine has: lines answer all questions that packs raise.
func skim(text []byte) []line {
	var (
		lines  []line
		open   []line // the keys above
		number int
	)
	for raw := range bytes.Lines(text) {
		number++
		content := strings.TrimRight(string(raw), " \t\r\n")
		trimmed := strings.TrimLeft(content, " ")
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if trimmed == "---" || strings.HasPrefix(trimmed, "--- ") {
			open = nil
			continue
		}
		l := line{number: number, indent: len(content) - len(trimmed)}
		outer := l.indent
		for nested := 0; strings.HasPrefix(trimmed, "- ") && nested < maxDepth; nested++ {
			rest := strings.TrimLeft(trimmed[2:], " ")
			l.item, l.indent, trimmed = true, l.indent+len(trimmed)-len(rest), rest
		}
		var ok bool
		l.key, l.value, ok = cutKey(trimmed)
		if !ok {
			if !l.item {
				continue
			}
			l.key, l.value = "", unquote(trimmed)
		}
		// A list's items may stand as far left as the key that holds them.
		for len(open) > 0 && (open[len(open)-1].indent > outer || open[len(open)-1].indent == outer && !(l.item && !open[len(open)-1].item)) {
			open = open[:len(open)-1]
		}
		l.path = l.key
		if len(open) > 0 {
			l.path = strings.TrimSuffix(open[len(open)-1].path+"."+l.key, ".")
			if len(l.path) > maxKeyPath {
				l.path = "…." + l.key
			}
		}
		if len(lines) == maxLines {
			break
		}
		lines = append(lines, l)
		if l.key != "" && len(open) < maxDepth {
			open = append(open, l)
		}
	}
	return lines
}

// cutKey splits "key: value".
func cutKey(text string) (key, value string, ok bool) {
	if text[0] == '{' || text[0] == '[' || text[0] == '|' || text[0] == '>' {
		return "", "", false
	}
	i := strings.Index(text+" ", ": ")
	if i <= 0 || i > 200 {
		return "", "", false
	}
	key = strings.Trim(strings.TrimSpace(text[:i]), `"'`)
	if strings.ContainsAny(key, " \"{}[]") {
		return "", "", false
	}
	return key, unquote(strings.TrimSpace(text[min(i+1, len(text)):])), true
}

// unquote takes quotes and comments off a scalar.
func unquote(value string) string {
	if value == "" {
		return ""
	}
	if quote := value[0]; quote == '"' || quote == '\'' {
		if end := strings.IndexByte(value[1:], quote); end >= 0 {
			return value[1 : end+1]
		}
		return ""
	}
	if i := strings.Index(" "+value, " #"); i >= 0 {
		value = value[:max(i-1, 0)]
	}
	return strings.TrimSpace(value)
}
