package finding

import (
	"bytes"
	"cmp"
	"encoding/json"
)

// MarshalJSON encodes f in the format of packhouse setup, which docs/command-line.md documents.
func (f Finding) MarshalJSON() ([]byte, error) {
	severity := string(f.Severity)
	if f.Severity == Refused {
		severity = "refused"
	}
	return json.Marshal(struct {
		Question string `json:"question"`
		Entry    string `json:"subject,omitempty"`
		Severity string `json:"severity"`
		Code     string `json:"code"`
		What     string `json:"what"`
		Remedy   string `json:"remedy,omitempty"`
		Flag     string `json:"flag,omitempty"`
	}{f.Question, f.Entry, severity, f.Code, f.What, f.Remedy, f.Flag})
}

// JSON is the format of findings about files: of a configuration (File) or a pack (Path).
type JSON struct {
	Code     string   `json:"code"`
	Severity Severity `json:"severity"`
	File     string   `json:"file,omitempty"`
	Path     string   `json:"path,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Key      string   `json:"key,omitempty"`
	Variable string   `json:"variable,omitempty"`
	What     string   `json:"what"`
	Remedy   string   `json:"remedy,omitempty"`
}

// JSON returns f in the format of findings about files.
func (f Finding) JSON() JSON {
	return JSON{
		Code: f.Code, Severity: f.Severity, File: f.File, Line: f.Line, Column: f.Column, Key: f.Key,
		Variable: f.Variable, What: f.What, Remedy: f.Remedy,
	}
}

// Finding returns the finding of j.
func (j JSON) Finding() Finding {
	return Finding{
		Code: j.Code, Severity: j.Severity, What: j.What, Remedy: j.Remedy,
		Subject: Subject{
			File: cmp.Or(j.File, j.Path), Line: j.Line, Column: j.Column, Key: j.Key, Variable: j.Variable,
		},
	}
}

// MarshalList encodes findings, each in the format that as returns.
func MarshalList(findings []Finding, as func(Finding) JSON) ([]byte, error) {
	var list []JSON
	if findings != nil {
		list = make([]JSON, len(findings))
	}
	for i, f := range findings {
		list[i] = as(f)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // the encoder around it escapes, if it is to
	err := encoder.Encode(list)
	return b.Bytes(), err
}
