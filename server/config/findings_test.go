package config

import (
	"encoding/json"
	"testing"

	"packhouse/finding"
)

// TestFindingsJSON: scripts read this format.
func TestFindingsJSON(t *testing.T) {
	place := finding.Subject{File: "my.yml", Line: 3, Column: 5, Key: "http.addr", Meant: "http.host"}
	for _, tc := range []struct {
		findings Findings
		want     string
	}{
		{nil, "null"},
		{Findings{}, "[]"},
		{
			Findings{{Code: "c", Severity: finding.Refused, What: "a <b>", Remedy: "fix", Subject: place}},
			`[{"code":"c","severity":"error","file":"my.yml","line":3,"column":5,"key":"http.addr",` +
				`"what":"a \u003cb\u003e","remedy":"fix"}]`,
		},
		{
			Findings{{Code: "c", Severity: finding.Note, What: "w", Subject: finding.Subject{Variable: "REGISTRY_X"}}},
			`[{"code":"c","severity":"notice","variable":"REGISTRY_X","what":"w"}]`,
		},
	} {
		if got, err := json.Marshal(tc.findings); err != nil || string(got) != tc.want {
			t.Errorf("got %s, %v, want %s", got, err, tc.want)
		}
	}
}
