package config

import (
	"slices"
	"testing"
)

func TestFind(t *testing.T) {
	const own, vendor, old = "/etc/packhouse/myconfig.yml", "/etc/spectropaxconfig/myconfig.yml", "/etc/docker/registry/config.yml"
	tests := []struct {
		name, installation string
		env, there         []string
		path               string
		unused             []string
	}{
		{"nothing", own, nil, nil, "", nil},
		{"a variable goes first, even to a missing file", own, []string{"A=b", "REGISTRY_CONFIGURATION_PATH=/x.yml"}, []string{own}, "/x.yml", []string{own}},
		{"an empty variable is none", own, []string{"REGISTRY_CONFIGURATION_PATH="}, []string{own}, own, nil},
		{"the installation goes before the usual places", own, nil, []string{old, vendor, own}, own, []string{vendor, old}},
		{"the old place is not overlooked", "", nil, []string{old}, old, nil},
		{"the installation may be a usual place", vendor, nil, []string{vendor}, vendor, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Find(tt.installation, tt.env, func(path string) bool { return slices.Contains(tt.there, path) })
			if got.Path != tt.path || !slices.Equal(got.Unused, tt.unused) || got.Reason == "" {
				t.Errorf("got %+v, want %s and unused %v", got, tt.path, tt.unused)
			}
		})
	}
}
