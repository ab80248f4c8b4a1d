package apply

import (
	"path/filepath"
	"slices"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/machine/machinetest"
)

// TestASmallMachineIsToldOf: the vendor's minimum is 1 processor and 2 GB, and a container may have a part of one.
func TestASmallMachineIsToldOf(t *testing.T) {
	for _, tc := range []struct {
		host *machinetest.Host
		want string
	}{
		{&machinetest.Host{}, ""},
		{&machinetest.Host{Processors: 1, RAM: 2 << 30}, ""},
		{&machinetest.Host{Processors: 0.5}, "this machine has 0.5 of a processor"},
		{&machinetest.Host{RAM: 1 << 30}, "this machine has 1.0 GiB of memory"},
		{&machinetest.Host{Processors: 0.2, RAM: 512 << 20}, "this machine has 0.2 of a processor and 512 MiB of memory"},
	} {
		_, findings := answer.Resolve(
			t.Context(), machinetest.New(t, tc.host), nil,
			answer.Input{Flags: answer.Values{"dir": {filepath.Join(t.TempDir(), "packhouse")}}},
		)
		got := ""
		if i := slices.IndexFunc(findings, func(f finding.Finding) bool { return f.Code == setup.CodeSmall }); i >= 0 {
			got = findings[i].What
			if findings[i].Severity != finding.Note {
				t.Errorf("%s: %s", got, findings[i].Severity)
			}
		}
		if got != tc.want {
			t.Errorf("%v processors, %d bytes: %q, want %q", tc.host.Processors, tc.host.RAM, got, tc.want)
		}
	}
}
