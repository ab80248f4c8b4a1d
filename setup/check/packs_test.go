package check

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestPacks verifies the result of each report about packs.
func TestPacks(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("spectro-packs/archive/a:1.0.%d: not a pack", i))
	}
	for _, tc := range []struct {
		name   string
		report PackReport
		err    error
		status Status
		wants  []string
	}{
		{"none", PackReport{Complete: true}, nil, Passed, []string{"none is stored"}},
		{"consistent", PackReport{Examined: 3, Complete: true}, nil, Passed, []string{"3 versions"}},
		{"unread", PackReport{Examined: 3, Complete: true, Unread: 1}, nil, NotProven, []string{"1 of 3 versions"}},
		{"too many", PackReport{Examined: 3}, nil, NotProven, []string{"too many to examine all"}},
		{"an older server", PackReport{}, errors.New("status 404"), NotProven, []string{"status 404"}},
		{
			"problems",
			PackReport{Examined: 300, Complete: true, Unread: 1, Found: 120, Problems: many},
			nil, Warning,
			[]string{"120 of 300 versions", "a:1.0.9: not a pack", "\nand 110 more", CodePacks, "packhouse pack tag delete"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(Target{Packs: func(context.Context) (PackReport, error) { return tc.report, tc.err }})
			s.doing = func(string) {}
			r := provePacks(t.Context(), s)
			said := strings.Join([]string{r.Seen, r.Finding.What, r.Finding.Code, r.Finding.Remedy}, "\n")
			if r.Status != tc.status || strings.Contains(said, "a:1.0.10:") {
				t.Errorf("%+v, want %s", r, tc.status)
			}
			for _, want := range tc.wants {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not in %q", want, said)
				}
			}
		})
	}
}
