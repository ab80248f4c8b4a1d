package theme

import (
	"strings"

	"packhouse/tui/layout"
)

// YAML colors the keys and comments of YAML.
func (t Theme) YAML(text string, width int) []string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(layout.Clean(text), "\n"), "\n") {
		line = layout.Cut(line, width)
		trimmed := strings.TrimLeft(line, " -")
		name, value, found := strings.Cut(trimmed, ":")
		switch {
		case strings.HasPrefix(trimmed, "#"):
			line = t.Muted.Render(line)
		case found && !strings.ContainsAny(name, " \"'") && (value == "" || value[0] == ' '):
			indent := line[:len(line)-len(trimmed)]
			if at := strings.Index(value, " #"); at >= 0 && !strings.ContainsAny(value[:at], `"'`) {
				value = value[:at] + t.Muted.Render(value[at:])
			}
			line = indent + t.Key.Render(name) + ":" + value
		}
		out = append(out, line)
	}
	return out
}

// Diff colors a unified diff.
func (t Theme) Diff(diff string, width int) []string {
	var out []string
	for i, line := range strings.Split(strings.TrimRight(layout.Clean(diff), "\n"), "\n") {
		cut := layout.Cut(line, width)
		switch {
		case i < 2: // the names of both files
			cut = t.Muted.Render(cut)
		case strings.HasPrefix(line, "+"):
			cut = t.Added.Render(cut)
		case strings.HasPrefix(line, "-"):
			cut = t.Removed.Render(cut)
		case strings.HasPrefix(line, "@@"):
			cut = t.Muted.Render(cut)
		}
		out = append(out, cut)
	}
	return out
}
