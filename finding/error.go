package finding

import "strings"

// Error reports why an operation is refused: at least one finding of severity Refused.
type Error struct {
	Findings []Finding
}

// NewError returns an error with findings.
func NewError(findings ...Finding) *Error { return &Error{Findings: findings} }

// Error returns one finding per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}
