package question

import (
	"strings"
	"testing"

	"packhouse/setup"
)

// Every flag that can be idle says what it belongs to.
func TestIdleFlagsBelong(t *testing.T) {
	t.Parallel()
	for _, step := range Steps() {
		for _, q := range step.Questions {
			bucket := Answers{Storage: "s3", TLS: setup.Off}
			idle := !q.Asked(&Answers{}) || !q.Asked(&bucket)
			refused := strings.HasPrefix(q.ID, "s3-") && q.Asked(&bucket) // with another storage
			if idle && !refused && q.Kind != Confirm && belongs[q.ID] == "" {
				t.Errorf("%s belongs to nothing", q.ID)
			}
		}
	}
}
