package logview

import (
	"strconv"
	"strings"
	"time"
)

// Line is a line of slog's text format, taken apart.
type Line struct {
	Time    time.Time
	Level   string // "INFO"
	Message string
	Pairs   []Pair // the rest, in the order of the line
}

// Pair is one attribute.
type Pair struct{ Key, Value string }

// Value is the value of an attribute; empty where there is none.
func (l Line) Value(key string) string {
	for _, pair := range l.Pairs {
		if pair.Key == key {
			return pair.Value
		}
	}
	return ""
}

// ParseLine takes a line apart (log/slog, TextHandler); false: it is of another kind.
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

// takeValue takes a value off the front, quoted or not, and the space behind it.
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
