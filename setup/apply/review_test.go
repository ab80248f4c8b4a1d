package apply

import (
	"slices"
	"strings"
	"testing"

	"packhouse/setup"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// TestPlanIsReviewedInOrder: what people read and what setup notes for itself comes after what the server reads, and before what stays.
func TestPlanIsReviewedInOrder(t *testing.T) {
	var names []string
	for _, c := range (&plan.Plan{Changes: []plan.Change{
		{Path: "/d/" + installation.ManifestFile, Kind: setup.Update},
		{Path: "/d/certs/tls.crt", Kind: setup.Keep},
		{Path: "/d/" + installation.HandoffFile, Kind: setup.Update},
		{Path: "/d/" + installation.HtpasswdFile, Kind: setup.Update},
		{Path: "/d/" + installation.ConfigFile, Kind: setup.Update},
	}}).Ordered() {
		names = append(names, strings.TrimPrefix(c.Path, "/d/"))
	}
	want := []string{
		installation.HtpasswdFile,
		installation.ConfigFile,
		installation.ManifestFile,
		installation.HandoffFile,
		"certs/tls.crt",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}
