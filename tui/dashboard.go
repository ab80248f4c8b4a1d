package tui

import (
	"fmt"
	"time"

	"packhouse/spelling"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// dashboardLines draws figures about the server, one per line.
func (l *logScreen) dashboardLines(width int) []string {
	t, d := l.theme, &l.log
	row := func(label, sign, text string) string {
		style := t.Good
		switch sign {
		case theme.Caution:
			style = t.Warning
		case theme.Failed:
			style = t.Bad
		}
		return layout.Cut(t.Muted.Render(layout.Pad(label, 12))+style.Render(sign)+" "+layout.Clean(text), width)
	}
	sign := theme.Done
	if d.Failed > 0 {
		sign = theme.Failed
	}
	rate := d.Rate(l.options.Now())
	lines := []string{row("requests", sign, fmt.Sprintf("%.1f/s over the last minute, %d in all, %d refused, %s", rate,
		d.Total, d.Refused, spelling.Count(d.Failed, "error")))}
	if d.LastPush == "" {
		lines = append(lines, row("last push", " ", "none yet"))
	} else {
		lines = append(lines, row("last push", theme.Done, d.LastPush))
	}
	if l.state == nil {
		return lines
	}
	if space := l.state.Storage.Space(); space != "" {
		sign = theme.Done
		if l.state.Storage.Short() {
			sign = theme.Failed
		}
		lines = append(lines, row("storage", sign, space+" in "+l.state.Storage.Path))
	}
	if c := l.state.Certificate; c != nil {
		sign = theme.Done
		if c.CloseEnd {
			sign = theme.Caution
		}
		lines = append(lines, row("certificate", sign,
			fmt.Sprintf("%s left, until %s", spelling.Count(c.DaysLeft, "day"), c.Ends.UTC().Format(time.DateOnly))))
	}
	return lines
}
