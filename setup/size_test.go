package setup

import (
	"path/filepath"
	"slices"
	"testing"

	"packhouse/finding"
)

// TestASmallMachineIsToldOf: the vendor's minimum is 1 processor and 2 GB, and a container may have a part of one.
func TestASmallMachineIsToldOf(t *testing.T) {
	for _, tc := range []struct {
		host *fakeHost
		want string
	}{
		{&fakeHost{}, ""},
		{&fakeHost{cpus: 1, memory: 2 << 30}, ""},
		{&fakeHost{cpus: 0.5}, "this machine has 0.5 of a processor"},
		{&fakeHost{memory: 1 << 30}, "this machine has 1.0 GiB of memory"},
		{&fakeHost{cpus: 0.2, memory: 512 << 20}, "this machine has 0.2 of a processor and 512 MiB of memory"},
	} {
		_, findings := Resolve(t.Context(), machineOf(t, tc.host), nil, Input{Flags: Values{"dir": {filepath.Join(t.TempDir(), "packhouse")}}})
		got := ""
		if i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Code == CodeSmall }); i >= 0 {
			got = findings[i].What
			if findings[i].Severity != finding.Note {
				t.Errorf("%s: %s", got, findings[i].Severity)
			}
		}
		if got != tc.want {
			t.Errorf("%v processors, %d bytes: %q, want %q", tc.host.cpus, tc.host.memory, got, tc.want)
		}
	}
}
