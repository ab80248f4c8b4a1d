package config

import (
	"slices"
	"strings"
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

// TestFindThere: what is there counts, whatever it is; Load tells what is wrong with it.
func TestFindThere(t *testing.T) {
	dir := t.TempDir()
	if got := Find(dir, nil, nil); got.Path != dir {
		t.Errorf("a directory, as containers make one where a file to mount is missing, was passed over: %+v", got)
	}
	if _, err := Load(Source{Path: dir}); err == nil || !strings.Contains(err.Error(), "is a directory; name the file inside it") {
		t.Errorf("%v", err)
	}
	if got := Find(dir+"/none", nil, nil); got.Path == dir+"/none" {
		t.Errorf("%+v", got)
	}
}

func TestNamed(t *testing.T) {
	everything := func(string) bool { return true }
	got := Named("/etc/spectro//config.yml", "named", everything)
	if got.Path != "/etc/spectro//config.yml" || slices.Contains(got.Unused, "/etc/spectro/config.yml") || len(got.Unused) != len(places)-1 {
		t.Errorf("%+v", got)
	}
}

// TestGlimpse: a server is found again by a file that does not load any more.
func TestGlimpse(t *testing.T) {
	for name, file := range map[string]string{
		"unknown key": "version: 0.1\nstorage: {filesystem: {rootdirectory: /srv/packs}}\nhtp: {}\n",
		"bad value":   "version: 9\nstorage:\n  filesystem:\n    rootdirectory: /srv/packs\nhttp: {addr: nonsense}\n",
		"not YAML":    "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: \"/srv/packs\" # here\n  : : {\n",
		"one line":    "storage: [\n  filesystem: {rootdirectory: /srv/packs}\n",
		"flat":        "version: 0.1\nstorage:\nfilesystem:\nrootdirectory: /srv/packs\n",
	} {
		src := Source{Path: "x.yml", Data: []byte(file)}
		if _, err := Load(src); err == nil {
			t.Errorf("%s: loads", name)
		}
		if c := Glimpse(src); c.Storage.Driver != Filesystem || c.Storage.Filesystem.RootDirectory != "/srv/packs" {
			t.Errorf("%s: %+v", name, c.Storage)
		}
	}
	if c := Glimpse(Source{Path: "/nowhere/x.yml", Env: []string{"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/srv"}}); c.Storage.Filesystem.RootDirectory != "/srv" {
		t.Errorf("%+v", c.Storage)
	}
}
