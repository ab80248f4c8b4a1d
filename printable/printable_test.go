package printable

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"
)

func TestLineAndText(t *testing.T) {
	for _, tc := range []struct{ in, line, text string }{
		{"plain ä 日本 ✓", "plain ä 日本 ✓", "plain ä 日本 ✓"},
		{"\x1b[31mred\x1b[0m", "?[31mred?[0m", "?[31mred?[0m"},
		{"title \x1b]0;x\x07", "title ?]0;x?", "title ?]0;x?"},
		{"C1 \u009b2J", "C1 ?2J", "C1 ?2J"},
		{"two\nlines\tand\ra return", "two?lines?and?a return", "two\nlines\tand?a return"},
		{"delete \x7f\x08", "delete ??", "delete ??"},
		{"right \u202eto\u2066 left\u2069", "right ?to? left?", "right ?to? left?"},
		{"separators \u2028\u2029", "separators ??", "separators ??"},
		{"not UTF-8 \xff\x9b", "not UTF-8 ?", "not UTF-8 ?"},
		{"", "", ""},
	} {
		if got := Line(tc.in); got != tc.line {
			t.Errorf("Line(%q) = %q, want %q", tc.in, got, tc.line)
		}
		if got := Text(tc.in); got != tc.text {
			t.Errorf("Text(%q) = %q, want %q", tc.in, got, tc.text)
		}
	}
}

func TestValue(t *testing.T) {
	type inner struct{ S string }
	type outer struct {
		S    string
		P    *inner
		L    []inner
		M    map[string]inner
		A    any
		At   time.Time
		N    int
		hide string
	}
	bad, good := "a\x1bb", "a?b"
	at := time.Now()
	got := outer{bad, &inner{bad}, []inner{{bad}}, map[string]inner{bad: {bad}}, map[string]any{bad: []any{bad, 1.5, nil}}, at, 7, bad}
	Value(&got)
	want := outer{good, &inner{good}, []inner{{good}}, map[string]inner{good: {good}}, map[string]any{good: []any{good, 1.5, nil}}, at, 7, bad}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	Value(nil)
	Value(bad)
	Value((*inner)(nil))
}

func TestJSON(t *testing.T) {
	const text = "{\n\t\"a\": \"\u009b2J \u202e \u007f ä\"\n}\n"
	got := JSON([]byte(text))
	if want := "{\n\t\"a\": \"\\u009b2J \\u202e \\u007f ä\"\n}\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	var was, is map[string]string
	if json.Unmarshal([]byte(text), &was) != nil || json.Unmarshal(got, &is) != nil || is["a"] != was["a"] {
		t.Errorf("%q means something else", got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("\x1b[0m\u202e\xff")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range Line(text) {
			if unsafe(r) {
				t.Fatalf("%q keeps %q", text, r)
			}
		}
		if got := Text(text); !utf8.ValidString(got) || Text(got) != got {
			t.Fatalf("%q becomes %q", text, got)
		}
	})
}
