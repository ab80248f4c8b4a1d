//go:build linux

package plan

import (
	"strings"
	"testing"

	"packhouse/server/config"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
)

// TestOwnersInManifest: the user that apply makes gets into the manifest with its number.
func TestOwnersInManifest(t *testing.T) {
	data, err := (&installation.Manifest{Version: 1, Files: []installation.ManifestFileRow{
		{Path: "certs/tls.key"},
		{Path: "myconfig.yml"},
		{Path: installation.PasswordsFile},
	}}).Encode(installation.Roots{Dir: "/etc/packhouse"})
	if err != nil {
		t.Fatal(err)
	}
	p := &Plan{
		Dir:     "/etc/packhouse",
		Changes: []Change{{Path: "/etc/packhouse/" + installation.ManifestFile, After: data}},
	}
	if err := p.ownersInManifest(map[string]machine.Account{
		"certs/tls.key": {UID: 998, GID: 997},
		"myconfig.yml":  {UID: -1, GID: -1},
	}); err != nil {
		t.Fatal(err)
	}
	got := string(p.Changes[0].After)
	if strings.Count(got, `"uid": 998`) != 1 || strings.Count(got, `"gid": 997`) != 1 ||
		strings.Count(got, `"uid": 0`) != 2 {
		t.Error(got)
	}
}

// TestLowPort verifies which configurations listen on a port below 1024.
func TestLowPort(t *testing.T) {
	for _, test := range []struct {
		name string
		c    *config.Config
		want bool
	}{
		{"unknown configuration", nil, true},
		{"port 443", &config.Config{HTTP: config.HTTP{Addr: ":443"}}, true},
		{"port 5000", &config.Config{HTTP: config.HTTP{Addr: ":5000"}}, false},
		{"any port", &config.Config{HTTP: config.HTTP{Addr: "127.0.0.1:0"}}, false},
		{"unix socket", &config.Config{HTTP: config.HTTP{Net: "unix", Addr: "/run/p.sock"}}, false},
		{
			"metrics on port 99", &config.Config{HTTP: config.HTTP{Addr: ":5000", Debug: config.Debug{Addr: "localhost:99"}}},
			true,
		},
		{
			"HTTP-01 on port 80",
			&config.Config{HTTP: config.HTTP{Addr: ":5000", TLS: config.TLS{LetsEncrypt: config.LetsEncrypt{HTTPAddr: ":80"}}}},
			true,
		},
	} {
		if got := lowPort(test.c); got != test.want {
			t.Errorf("%s: lowPort = %t, want %t", test.name, got, test.want)
		}
	}
}
