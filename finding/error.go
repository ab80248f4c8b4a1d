package finding

import (
	"errors"
	"strings"
)

// Error reports why an operation is refused: at least one finding of severity Refused.
type Error struct {
	Findings []Finding
	Err      error // underlying error; may be nil
}

// NewError returns an error with findings.
func NewError(findings ...Finding) *Error { return &Error{Findings: findings} }

// Errorf returns an error with one finding whose What is a text; see [Textf]. It wraps the operands of %w.
func Errorf(format string, args ...any) *Error {
	t := Textf(format, args...)
	e := NewError(Finding{Severity: Refused}.WithWhat(t))
	for _, arg := range args {
		if err, ok := arg.(error); ok {
			e.Err = errors.Join(e.Err, err)
		}
	}
	return e
}

// Unwrap returns the underlying error.
func (e *Error) Unwrap() error { return e.Err }

// what returns the text of the only finding, or nil.
func (e *Error) what() *Text {
	if len(e.Findings) != 1 {
		return nil
	}
	return e.Findings[0].what
}

// Error returns one finding per line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}
