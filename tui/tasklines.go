package tui

import (
	"github.com/charmbracelet/x/ansi"

	"packhouse/tui/layout"
	"packhouse/tui/session"
	"packhouse/tui/theme"
)

// taskLines draws a task. The description of the chosen one is shown in full, below its name if
// there is no room beside it.
func (u *ui) taskLines(task session.Task, chosen bool, width int) []string {
	t := u.theme
	const nameWidth = 22
	pointer, style := "  ", t.Plain
	if chosen {
		pointer, style = t.Accent.Render(theme.Pointer)+" ", t.Selected
	}
	text := layout.Clean(task.Text)
	if task.Closed != "" {
		text = "not now: " + layout.Clean(task.Closed)
		if !chosen {
			style = t.Muted
		}
	}
	room := width - nameWidth - 3
	if !chosen && room < nameWidth { // no column for it, and a word or two of it say nothing
		return []string{layout.Cut(pointer+style.Render(task.Name), width)}
	}
	if !chosen || ansi.StringWidth(text) <= room {
		return []string{layout.Cut(pointer+style.Render(layout.Pad(task.Name, nameWidth))+" "+t.Muted.Render(text), width)}
	}
	if room >= nameWidth { // there is a column for it
		var lines []string
		name := style.Render(layout.Pad(task.Name, nameWidth))
		for _, line := range layout.Wrap(text, room) {
			lines = append(lines, layout.Cut(pointer+name+" "+t.Muted.Render(line), width))
			pointer, name = "  ", layout.Pad("", nameWidth)
		}
		return lines
	}
	lines := []string{layout.Cut(pointer+style.Render(task.Name), width)}
	for _, line := range layout.Wrap(text, width-4) {
		lines = append(lines, "    "+t.Muted.Render(line))
	}
	return lines
}
