package apply

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// TestStateReportsACAThatEnds verifies what the manager shows about the CA.
func TestStateReportsACAThatEnds(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	ends := in.CA.Chain[0].NotAfter
	for _, tc := range []struct {
		at   time.Time
		code string
	}{{ends.AddDate(0, 0, -31), ""}, {ends.AddDate(0, 0, -29), certgen.CodeCACloseEnd}, {ends.AddDate(0, 0, 1), certgen.CodeCAExpired}} {
		m.Now = func() time.Time { return tc.at }
		findings := installation.StateOf(m, in, "").Findings
		found := slices.ContainsFunc(findings, func(f finding.Finding) bool {
			return f.Code == tc.code && strings.Contains(f.Remedy, "packhouse cert rotate --new-ca")
		})
		if found != (tc.code != "") {
			t.Errorf("on %v: findings %v, want %q", tc.at, findings, tc.code)
		}
	}
}
