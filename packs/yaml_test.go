package packs

import (
	"strings"
	"testing"
)

// FuzzParseYAML checks that what is parsed has no key twice, and that every refusal is short whatever it is about.
func FuzzParseYAML(f *testing.F) {
	for _, seed := range []string{"", "a: b\n", "a: &x [1]\nb: *x\n", strings.Repeat("a: b\n", 50), "a: b: c", "- a\n- b\n", "{a: {a: {a: 1, a: 2}}}", "? [a]\n: b\n? [a]\n: c\n", "<<: {a: b}\na: c\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		document, err := parseYAML(text)
		if err == nil && uniqueKeys(document) != nil || err != nil && (err.Error() == "" || len(err.Error()) > 2000+len(text)) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}
