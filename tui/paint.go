package tui

import (
	"strings"

	"packhouse/tui/layout"
)

// paintYAML colors the keys and comments of YAML.
func (u *ui) paintYAML(text string, width int) []string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(clean(text), "\n"), "\n") {
		line = layout.Cut(line, width)
		trimmed := strings.TrimLeft(line, " -")
		name, value, found := strings.Cut(trimmed, ":")
		switch {
		case strings.HasPrefix(trimmed, "#"):
			line = u.theme.Muted.Render(line)
		case found && !strings.ContainsAny(name, " \"'") && (value == "" || value[0] == ' '):
			indent := line[:len(line)-len(trimmed)]
			if at := strings.Index(value, " #"); at >= 0 && !strings.ContainsAny(value[:at], `"'`) {
				value = value[:at] + u.theme.Muted.Render(value[at:])
			}
			line = indent + u.theme.Key.Render(name) + ":" + value
		}
		out = append(out, line)
	}
	return out
}

// paintDiff colors a unified diff.
func (u *ui) paintDiff(diff string, width int) []string {
	var out []string
	for i, line := range strings.Split(strings.TrimRight(clean(diff), "\n"), "\n") {
		cut := layout.Cut(line, width)
		switch {
		case i < 2: // the names of both files
			cut = u.theme.Muted.Render(cut)
		case strings.HasPrefix(line, "+"):
			cut = u.theme.Added.Render(cut)
		case strings.HasPrefix(line, "-"):
			cut = u.theme.Removed.Render(cut)
		case strings.HasPrefix(line, "@@"):
			cut = u.theme.Muted.Render(cut)
		}
		out = append(out, cut)
	}
	return out
}
