package packviewtest

import (
	"slices"
	"strings"
	"testing"

	"packhouse/server/packview"
	"packhouse/server/reference"
)

// examined verifies that Examine visits every version once, up to its limit, leaves out tags of
// signatures, and reports a tag that pack.json contradicts.
func examined(t *testing.T, s *site) {
	first := s.push("a", "1.0.0", picture(4, 4))
	s.push("a", "1.1.0", picture(4, 4))
	other := s.push("b", "1.0.0", picture(4, 4))
	s.tag("b", "stable", other)
	s.tag("a", "3.0.0", first)
	s.tag("a", "sha256-"+first.Encoded()+".sig", first)
	settle(t, s.records)
	for _, tc := range []struct {
		most     int
		complete bool
		versions []string
	}{
		{100, true, []string{"a:1.0.0", "a:1.1.0", "a:3.0.0", "b:1.0.0", "b:stable"}},
		{5, true, []string{"a:1.0.0", "a:1.1.0", "a:3.0.0", "b:1.0.0", "b:stable"}},
		{3, false, []string{"a:1.0.0", "a:1.1.0", "a:3.0.0"}},
		{2, false, []string{"a:1.0.0", "a:1.1.0"}},
	} {
		var versions []string
		complete, err := s.view.Examine(t.Context(), tc.most, func(repo reference.Repository, v *packview.Version) {
			_, name, _ := repo.Pack()
			versions = append(versions, name+":"+v.Tag)
			if wrong := v.Tag == "3.0.0"; wrong != strings.Contains(v.Problem, "its pack.json has the version 1.0.0") {
				t.Errorf("problem of %s is %q", v.Tag, v.Problem)
			}
		})
		if err != nil || complete != tc.complete || !slices.Equal(versions, tc.versions) {
			t.Errorf("at most %d: %v, complete %v, %v", tc.most, versions, complete, err)
		}
	}
}
