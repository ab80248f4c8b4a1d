package setup

import (
	"slices"
	"strings"
	"testing"
)

// TestPlanIsReviewedInOrder: what people read and what setup notes for itself comes after what the server reads, and before what stays.
func TestPlanIsReviewedInOrder(t *testing.T) {
	var names []string
	for _, c := range (&Plan{Changes: []Change{
		{Path: "/d/" + ManifestFile, Kind: Update},
		{Path: "/d/certs/tls.crt", Kind: Keep},
		{Path: "/d/" + HandoffFile, Kind: Update},
		{Path: "/d/" + HtpasswdFile, Kind: Update},
		{Path: "/d/" + ConfigFile, Kind: Update},
	}}).Ordered() {
		names = append(names, strings.TrimPrefix(c.Path, "/d/"))
	}
	want := []string{HtpasswdFile, ConfigFile, ManifestFile, HandoffFile, "certs/tls.crt"}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
