package preview

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestFresh(t *testing.T) {
	for _, tc := range []struct {
		name, before, after string
		want                []int
	}{
		{"nothing", "a\nb\nc", "a\nb\nc", nil},
		{"changed", "a\nb\nc", "a\nx\nc", []int{1}},
		{"inserted", "a\nc", "a\nb\nc", []int{1}},
		{"removed", "a\nb\nc", "a\nc", nil},
		{"moved", "a\nb\nc", "c\na\nb", []int{0}},
		{"an empty line is not marked", "a\nb", "a\n\nb", nil},
		{"too long to compare", "a", strings.Repeat("b\n", mostCompared+1), nil},
		{"from nothing", "", "a", []int{0}},
	} {
		changed := fresh([]byte(tc.before), []byte(tc.after))
		maps.DeleteFunc(changed, func(_ int, is bool) bool { return !is })
		if got := slices.Sorted(maps.Keys(changed)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestPreviewBeginsWithTheSettings: the comment at the head of the file is not shown.
func TestPreviewBeginsWithTheSettings(t *testing.T) {
	for text, want := range map[string]string{
		"# words\n# more\n\nversion: 0.1\n# who\nauth:\n": "version: 0.1\n# who\nauth:\n",
		"version: 0.1\n": "version: 0.1\n", "# only words": "# only words", "": "",
	} {
		if got := string(body([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
