package config

import "fmt"

// OriginKind is the kind of source of a value.
type OriginKind string

// Kinds of origin.
const (
	FromDefault  OriginKind = "default"
	FromFile     OriginKind = "file"
	FromVariable OriginKind = "variable"
)

// Origin is where a value comes from.
type Origin struct {
	Kind     OriginKind `json:"kind"`
	File     string     `json:"file,omitempty"`
	Line     int        `json:"line,omitempty"`
	Column   int        `json:"column,omitempty"`
	Variable string     `json:"variable,omitempty"`
}

// String returns file:line, the name of the variable, or "default".
func (o Origin) String() string {
	switch o.Kind {
	case FromFile:
		if o.Line == 0 {
			return o.File
		}
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	case FromVariable:
		return o.Variable
	}
	return string(FromDefault)
}

func (o Origin) problem(code string, severity Severity, key, what, remedy string) Problem {
	p := Problem{Code: code, Severity: severity, File: o.File, Key: key, Variable: o.Variable, What: what, Remedy: remedy}
	if o.Variable == "" {
		p.Line, p.Column = o.Line, o.Column
	}
	return p
}
