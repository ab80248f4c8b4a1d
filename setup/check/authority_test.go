package check

import (
	"testing"
	"time"

	"packhouse/certgen"
)

// TestCAEnds verifies that the certificate check reports a CA that ends before, or with little time left.
func TestCAEnds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		days   int // from now until the CA ends
		at     int // days from now at which the check runs
		status Status
		code   string
	}{
		{"long", 3650, 0, Passed, ""},
		{"within 30 days", 20, 0, Warning, certgen.CodeCACloseEnd},
		{"expired", 20, 21, Failed, certgen.CodeCAExpired},
	} {
		t.Run(tc.name, func(t *testing.T) {
			start := time.Now()
			names, err := certgen.ParseNames([]string{"registry.example.com"})
			if err != nil {
				t.Fatal(err)
			}
			ca, err := certgen.NewCA(certgen.CAOptions{Now: start, Days: tc.days})
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := certgen.NewLeaf(ca, certgen.LeafOptions{Names: names, Now: start, Days: 10})
			if err != nil {
				t.Fatal(err)
			}
			s := newSession(Target{
				URL: "https://registry.example.com", Chain: leaf.Chain, Roots: ca.Chain, CA: ca.Leaf(), Names: names,
				Now: func() time.Time { return start.AddDate(0, 0, tc.at) },
			})
			r := s.verifyChain(leaf.Chain)
			if r.Status != tc.status || r.Finding.Code != tc.code {
				t.Fatalf("%+v, want %s %s", r, tc.status, tc.code)
			}
			if r.Took = 1; tc.code != "" {
				told(t, r, tc.status, tc.code, "", "the CA", "packhouse cert rotate --new-ca")
			}
			if tc.status == Failed {
				told(t, r, tc.status, tc.code, "3 problems", "also: the certificate", "")
			}
		})
	}
}

// TestUnrootedChain verifies the advice about a root that is not known.
func TestUnrootedChain(t *testing.T) {
	target, _ := installation(t, "")
	target.Unrooted = true
	r := newSession(target).verifyChain(target.Chain)
	if r.Status != Passed || r.Advice == "" {
		t.Errorf("%+v", r)
	}
}
