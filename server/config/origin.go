package config

import (
	"fmt"

	"packhouse/finding"
)

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

// Finding returns a finding about the key that has this origin.
func (o Origin) Finding(code string, severity finding.Severity, key, what, remedy string) finding.Finding {
	p := finding.Finding{
		Code: code, Severity: severity, What: what, Remedy: remedy,
		Subject: finding.Subject{File: o.File, Key: key, Variable: o.Variable},
	}
	if o.Variable == "" {
		p.Line, p.Column = o.Line, o.Column
	}
	return p
}
