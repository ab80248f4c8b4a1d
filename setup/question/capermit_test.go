package question_test

import (
	"slices"
	"strings"
	"testing"

	"packhouse/certgen"
	"packhouse/setup/question"
)

// TestShortNameOfATopLevelDomain verifies that a CA for dev.example.com may not sign for all of .dev.
func TestShortNameOfATopLevelDomain(t *testing.T) {
	for host, want := range map[string]bool{"dev.example.com": false, "app.example.com": false, "registry.example.com": true} {
		p, err := question.CALimits(
			&question.Answers{Hostname: host, CAPermit: []string{"example.com"}},
			certgen.Names{DNS: []string{host}},
		)
		if err != nil {
			t.Fatal(err)
		}
		short, _, _ := strings.Cut(host, ".")
		if got := slices.Contains(p.DNS, short); got != want {
			t.Errorf("%s: %s permitted %t, want %t", host, short, got, want)
		}
	}
}
