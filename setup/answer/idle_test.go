package answer

import (
	"strings"
	"testing"

	"packhouse/setup"
	"packhouse/setup/question"
)

// Every flag that can be idle says what it belongs to.
func TestIdleFlagsBelong(t *testing.T) {
	t.Parallel()
	for _, step := range question.Steps() {
		for _, q := range step.Questions {
			bucket := question.Answers{Storage: "s3", TLS: setup.Off}
			idle := !q.Asked(&question.Answers{}) || !q.Asked(&bucket)
			refused := strings.HasPrefix(q.ID, "s3-") && q.Asked(&bucket) // with another storage
			if idle && !refused && q.Kind != question.Confirm && q.Belongs == "" {
				t.Errorf("%s belongs to nothing", q.ID)
			}
		}
	}
}
