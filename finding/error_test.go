package finding_test

import (
	"errors"
	"fmt"
	"testing"

	"packhouse/finding"
)

func TestRefusedErrorListsEverything(t *testing.T) {
	err := error(
		&finding.Error{
			Findings: []finding.Finding{
				{What: "one", Subject: finding.Subject{Flag: "--a"}},
				{What: "two", Remedy: "three"},
			},
		},
	)
	if got, want := err.Error(), "--a: one\ntwo; three"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.As(fmt.Errorf("make plan: %w", err), new(*finding.Error)) {
		t.Error("cannot be found again")
	}
}
