package tui

import (
	"packhouse/finding"
)

// glance holds the findings about a path while it is typed. Paths are inspected in the background,
// one at a time, so that a disk that does not answer never blocks typing.
type glance struct {
	question string // whose answer was inspected
	answer   string
	busy     bool
	findings []finding.Finding
}

// glancedMsg carries the findings about an answer.
type glancedMsg struct {
	question, answer string
	findings         []finding.Finding
}

// store stores findings. Those about the previous answer to the question stay until then, so that
// the screen does not flicker.
func (g *glance) store(msg glancedMsg) {
	*g = glance{question: msg.question, answer: msg.answer, findings: msg.findings}
}

// about returns the findings about the answer to a question.
func (g *glance) about(id string) []finding.Finding {
	if id != g.question {
		return nil
	}
	return g.findings
}
