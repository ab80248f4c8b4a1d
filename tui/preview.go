package tui

import (
	"bytes"
	"slices"
	"strings"

	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/layout"
	"packhouse/tui/theme"
)

// preview is myconfig.yml as the answers make it.
type preview struct {
	text    []byte
	base    []byte       // as it was when the step in front was entered
	changed map[int]bool // lines of text that base has not
	focus   int          // the line that changed last
	top     int
}

// refreshPreview updates the preview and marks the lines that changed.
func (m *model) refreshPreview() {
	render := m.options.Preview
	if render == nil {
		render = func(answers question.Answers) []byte { return plan.Preview(m.installed, answers) }
	}
	text := body(render(m.resolved().Answers))
	if bytes.Equal(text, m.preview.text) {
		return
	}
	before, after := bytes.Split(m.preview.text, []byte("\n")), bytes.Split(text, []byte("\n"))
	if m.preview.text != nil {
		for i := range after {
			if i >= len(before) || !bytes.Equal(before[i], after[i]) {
				m.preview.focus = i
				break
			}
		}
	}
	m.preview.text = text
	m.preview.changed = fresh(m.preview.base, text)
}

// body returns a configuration without the comment at its head.
func body(text []byte) []byte {
	rest := text
	for bytes.HasPrefix(rest, []byte("#")) {
		_, after, found := bytes.Cut(rest, []byte("\n"))
		if !found {
			return text
		}
		rest = after
	}
	return bytes.TrimLeft(rest, "\n")
}

// mostCompared is the maximum number of lines that are compared. A longer file is shown without marks.
const mostCompared = 1000

// fresh reports which lines of a text are not in an earlier one: those outside the longest common subsequence.
func fresh(before, after []byte) map[int]bool {
	was, is := bytes.Split(before, []byte("\n")), bytes.Split(after, []byte("\n"))
	if len(was) > mostCompared || len(is) > mostCompared {
		return nil
	}
	// common[i][j] is the length of the longest common subsequence of was[i:] and is[j:].
	common := make([][]int16, len(was)+1)
	for i := range common {
		common[i] = make([]int16, len(is)+1)
	}
	for i, old := range slices.Backward(was) {
		for j, line := range slices.Backward(is) {
			if bytes.Equal(old, line) {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	changed := make(map[int]bool)
	for i, j := 0, 0; j < len(is); {
		switch {
		case i < len(was) && bytes.Equal(was[i], is[j]):
			i, j = i+1, j+1
		case i < len(was) && common[i+1][j] >= common[i][j+1]:
			i++
		default:
			changed[j] = len(bytes.TrimSpace(is[j])) > 0
			j++
		}
	}
	return changed
}

// previewBox draws myconfig.yml as it is going to be.
func (m *model) previewBox(width, height int) []string {
	innerWidth, innerHeight := layout.Inner(width, height)
	lines, focus, marks := m.paintYAML(string(m.preview.text), innerWidth), m.preview.focus+2, m.preview.changed
	if m.phase == reviewing && m.plan != nil {
		lines, focus, marks = m.configLines(innerWidth), 0, nil
	}
	shown, below := scroll(lines, &m.preview.top, min(focus, len(lines)-1), innerHeight)
	box := layout.Box{
		Title: setupConfig, Remark: below, Edge: m.theme.Border, Head: m.theme.Muted,
		Mark: m.theme.Accent.Render(theme.Changed),
	}
	for i := range shown {
		box.Marked = append(box.Marked, marks[m.preview.top+i])
	}
	return box.Render(shown, width, height)
}

// paintYAML sets keys apart from values.
func (m *model) paintYAML(text string, width int) []string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(clean(text), "\n"), "\n") {
		line = layout.Cut(line, width)
		trimmed := strings.TrimLeft(line, " -")
		name, value, found := strings.Cut(trimmed, ":")
		switch {
		case strings.HasPrefix(trimmed, "#"):
			line = m.theme.Muted.Render(line)
		case found && !strings.ContainsAny(name, " \"'") && (value == "" || value[0] == ' '):
			indent := line[:len(line)-len(trimmed)]
			if at := strings.Index(value, " #"); at >= 0 && !strings.ContainsAny(value[:at], `"'`) {
				value = value[:at] + m.theme.Muted.Render(value[at:])
			}
			line = indent + m.theme.Key.Render(name) + ":" + value
		}
		out = append(out, line)
	}
	return out
}
