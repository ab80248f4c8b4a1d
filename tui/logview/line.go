package logview

import (
	"strconv"
	"strings"
	"time"
)

// Line is a parsed line of slog's text format.
type Line struct {
	Time    time.Time
	Level   string // "INFO"
	Message string
	Pairs   []Pair // other attributes, in order
}

// Pair is one attribute.
type Pair struct{ Key, Value string }

// Value returns the value of an attribute, or "" if it is missing.
func (l Line) Value(key string) string {
	for _, pair := range l.Pairs {
		if pair.Key == key {
			return pair.Value
		}
	}
	return ""
}

// ParseLine parses a line of [log/slog.TextHandler]. It returns false if the line has another
// format.
func ParseLine(text string) (Line, bool) {
	var line Line
	for text != "" {
		key, rest, found := strings.Cut(text, "=")
		if !found || key == "" || strings.ContainsAny(key, ` "`) {
			return Line{}, false
		}
		value, after, ok := takeValue(rest)
		if !ok {
			return Line{}, false
		}
		switch {
		case key == "time" && line.Time.IsZero():
			at, err := time.Parse(time.RFC3339Nano, value)
			if err != nil {
				return Line{}, false
			}
			line.Time = at
		case key == "level" && line.Level == "":
			line.Level = value
		case key == "msg" && line.Message == "":
			line.Message = value
		default:
			line.Pairs = append(line.Pairs, Pair{key, value})
		}
		text = after
	}
	return line, !line.Time.IsZero() && line.Message != ""
}

// takeValue parses a value at the start of text, quoted or not, and the space after it.
func takeValue(text string) (value, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return "", "", false
		}
		if value, err = strconv.Unquote(quoted); err != nil {
			return "", "", false
		}
		rest = text[len(quoted):]
		if rest != "" && rest[0] != ' ' {
			return "", "", false
		}
		return clean(value), strings.TrimPrefix(rest, " "), true
	}
	value, rest, _ = strings.Cut(text, " ")
	return value, rest, true
}
