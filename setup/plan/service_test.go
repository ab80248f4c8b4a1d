//go:build linux

package plan

import (
	"strings"
	"testing"

	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// TestOwnersInManifest: the user that apply makes gets into the manifest with its number.
func TestOwnersInManifest(t *testing.T) {
	data, err := (&installation.Manifest{Version: 1, Files: []installation.ManifestFileRow{{Path: "certs/tls.key"}, {Path: "myconfig.yml"}, {Path: installation.PasswordsFile}}}).Encode(
		installation.Roots{Dir: "/etc/packhouse"},
	)
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{
		Dir:     "/etc/packhouse",
		Changes: []Change{{Path: "/etc/packhouse/" + installation.ManifestFile, After: data}},
	}
	if err := p.ownersInManifest(map[string]machine.Account{"certs/tls.key": {UID: 998, GID: 997}, "myconfig.yml": {UID: -1, GID: -1}}); err != nil {
		t.Fatal(err)
	}
	got := string(p.Changes[0].After)
	if strings.Count(got, `"uid": 998`) != 1 || strings.Count(got, `"gid": 997`) != 1 ||
		strings.Count(got, `"uid": 0`) != 2 {
		t.Error(got)
	}
}
