package finding

import (
	"encoding/json"
	"testing"
)

// TestJSONOfSetup: scripts read this format.
func TestJSONOfSetup(t *testing.T) {
	f := Finding{Code: "c", Severity: Refused, What: "a <b>"}
	f.Subject = Subject{Question: "q", Entry: "e", Flag: "--f", File: "x"}
	const want = `{"question":"q","subject":"e","severity":"refused","code":"c","what":"a \u003cb\u003e","flag":"--f"}`
	if got, err := json.Marshal(f); err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// TestMarshalList: the encoder around it decides about escapes, as for a struct.
func TestMarshalList(t *testing.T) {
	f := Finding{Code: "c", Severity: Note, What: "a <b>", Subject: Subject{File: "x", Line: 2}}
	got, err := MarshalList([]Finding{f}, func(f Finding) JSON {
		j := f.JSON()
		j.File, j.Path = "", j.File
		return j
	})
	const want = `[{"code":"c","severity":"note","path":"x","line":2,"what":"a <b>"}]` + "\n"
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
