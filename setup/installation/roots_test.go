//go:build linux

package installation

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"packhouse/setup"
)

func TestRootsGoBackAndForth(t *testing.T) {
	r := Roots{Dir: "/etc/packhouse", Unit: setup.UnitFile, outside: []string{"/srv/packs", "/etc/registry/auth"}}
	for _, tc := range []struct {
		path  string
		above bool
		text  string // empty: not part of the installation
	}{
		{"/etc/packhouse", false, "."},
		{"/etc/packhouse/certs/tls.crt", false, "certs/tls.crt"},
		{setup.UnitFile, false, "@unit"},
		{"/srv/packs", false, rootID("/srv/packs") + "/."},
		{"/srv/packs/docker", false, rootID("/srv/packs") + "/docker"},
		{"/srv", true, rootID("/srv/packs") + "/.."},
		{"/etc/registry/auth/htpasswd", false, rootID("/etc/registry/auth") + "/htpasswd"},
		{"/etc/shadow", false, ""},
		{"/etc/packhouse2/x", false, ""},
		{"/srv/packs2", false, ""},
	} {
		text, err := r.Encode(tc.path)
		if text != tc.text || (err != nil) != (tc.text == "") {
			t.Errorf("encode %s: %q, %v, want %q", tc.path, text, err, tc.text)
		}
		for _, form := range []string{text, tc.path} { // as it is written, and as version 1 wrote it
			path, err := r.Decode(form, tc.above)
			switch {
			case tc.text == "" && form != "" && !errors.Is(err, errForeign):
				t.Errorf("decode %q: %s, %v, want %v", form, path, err, errForeign)
			case tc.text != "" && path != tc.path:
				t.Errorf("decode %q: %s, %v, want %s", form, path, err, tc.path)
			}
		}
	}
	for _, text := range []string{"..", "../../etc/shadow", "certs/../../shadow", "@unit/x", "@000000000000/x", rootID("/srv/packs") + "/../../etc/shadow", "/srv", "/"} {
		if path, err := r.Decode(text, false); !errors.Is(err, errForeign) {
			t.Errorf("decode %q: %s, %v, want %v", text, path, err, errForeign)
		}
	}
}

// TestRootsOfJSON verifies that a configuration in JSON names the store, too.
func TestRootsOfJSON(t *testing.T) {
	for name, text := range map[string]string{
		"block":  "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: /srv/packs\n",
		"JSON":   `{"version": "0.1", "storage" : {"filesystem": {"rootdirectory": "/srv/packs"}}}`,
		"quotes": "version: 0.1\n'storage': {filesystem: {rootdirectory: /srv/packs}}\n",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := RootsOf(dir); !slices.Contains(r.outside, "/srv/packs") {
			t.Errorf("%s: %v", name, r.outside)
		}
	}
}
