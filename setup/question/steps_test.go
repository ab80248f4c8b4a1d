package question

import (
	"strings"
	"testing"
)

// TestEveryQuestionIsWhole: every face relies on these parts.
func TestEveryQuestionIsWhole(t *testing.T) {
	answered := map[string]bool{}
	for _, f := range Flags() {
		answered[f.Question] = true
	}
	seen := map[string]bool{}
	for _, step := range Steps() {
		for _, q := range step.Questions {
			if q.ID == "" || q.Title == "" || q.Help == "" || q.Kind == "" || q.Get == nil || q.Set == nil ||
				q.Asked == nil ||
				q.Validate == nil {
				t.Errorf("%s: a part is missing", q.ID)
			}
			if !strings.HasSuffix(q.Ask, "?") && !strings.HasSuffix(q.Ask, "not used.") {
				t.Errorf("%s asks %q", q.ID, q.Ask)
			}
			if (q.Kind == Choice) != (q.Choices != nil) {
				t.Errorf("%s: choices do not fit its kind", q.ID)
			}
			if seen[q.ID] || !answered[q.ID] {
				t.Errorf("%s: there twice, or no flag answers it", q.ID)
			}
			seen[q.ID] = true
			for _, flag := range q.Flags {
				if f, ok := FlagNamed(flag.Name); !ok || f.Question != q.ID {
					t.Errorf("%s: flag %s answers %q", q.ID, flag.Name, f.Question)
				}
			}
		}
	}
}
