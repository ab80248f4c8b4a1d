//go:build unix

package clientconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHelperOfAnotherUser verifies that root runs no credential helper that another user can change,
// whether the configuration names it or the store would choose it.
func TestHelperOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	const other = 65532
	for _, tc := range []struct {
		name, config, helper string
		own, refused         bool
	}{
		{"named", `{"credsStore": "x"}`, "x", false, true},
		{"of a server", `{"credHelpers": {"registry.example.com": "x"}}`, "x", false, true},
		{"chosen by default", `{}`, "secretservice", false, true},
		{"chosen without a configuration", "", "secretservice", false, true},
		{"not chosen beside passwords", `{"auths": {"registry.example.com": {}}}`, "secretservice", false, false},
		{"of root", `{"credsStore": "x"}`, "x", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			base := t.TempDir()
			bin, config := filepath.Join(base, "bin"), filepath.Join(base, "docker")
			for _, dir := range []string{bin, config} {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			program := filepath.Join(bin, helperPrefix+tc.helper)
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil { //nolint:gosec // a program
				t.Fatal(err)
			}
			if tc.config != "" {
				if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(tc.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if !tc.own {
				for _, path := range []string{program, bin} {
					if err := os.Chown(path, other, other); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Setenv("DOCKER_CONFIG", config)
			t.Setenv("PATH", bin)
			_, err := dockerStore()
			if (err != nil) != tc.refused {
				t.Errorf("%v, want a refusal: %v", err, tc.refused)
			}
			if err != nil && (!strings.Contains(err.Error(), program) || !strings.Contains(err.Error(), "another user")) {
				t.Errorf("%v, want the program and its owner", err)
			}
		})
	}
}
