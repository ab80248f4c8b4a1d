package answer

import (
	"strings"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/question"
)

// idle warns about flags that have no effect with the other answers. It skips confirmations, which
// scripts may always pass, and the wizard, where the other answers may still change.
func (r *resolver) idle() {
	if r.input.Quick {
		return
	}
	for _, q := range question.All() {
		if q.Kind == question.Confirm || q.Asked(&r.answers) ||
			strings.HasPrefix(q.ID, "s3-") && !question.InBucket(&r.answers) { // refused elsewhere
			continue
		}
		for _, flag := range q.Flags {
			if len(r.input.Flags[flag.Name]) == 0 {
				continue
			}
			f := setup.Warn(setup.CodeConflict, "changes nothing here", "it belongs to "+q.Belongs)
			f.Question, f.Flag = q.ID, "--"+flag.Name
			if q.ID == "cert" || q.ID == "key" { // a certificate that would not be used is probably a mistake
				f.Severity = finding.Refused
			}
			r.findings = append(r.findings, f)
		}
	}
}
