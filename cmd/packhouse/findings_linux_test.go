//go:build linux

package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"packhouse/cmd/packhouse/cli"
	"packhouse/finding"
	"packhouse/server/config"
)

// TestFindingsAreShared verifies that config verify, check and status print the same findings about a configuration,
// in the same form, and exit alike if one of them is an error.
func TestFindingsAreShared(t *testing.T) {
	t.Parallel()
	s := newSite(t, publicRoot(t))
	if got := s.run(s.setupArgs()...); got.code != cli.ExitOK {
		t.Fatalf("setup: %+v", got)
	}
	path := s.dir + "/myconfig.yml"
	good, err := os.ReadFile(path)
	s.must(err)
	for _, tc := range []struct{ name, old, text, code string }{
		{"unknown key", "http:", "htp:", config.CodeUnknownKey},
		{"wrong value", `addr: "127.0.0.1:`, `addr: "127.0.0.1:x`, config.CodeValue},
		{"warning", "admin: [admin]", "admin: ['*']", ""},
		{"no certificate", "certs/tls.crt", "certs/none.crt", config.CodeFile},
	} {
		if !strings.Contains(string(good), tc.old) {
			t.Fatalf("no %s in\n%s", tc.old, good)
		}
		s.write(path, strings.Replace(string(good), tc.old, tc.text, 1), 0o644)
		want := s.findings(t, "config", "verify", "--json", "--dir", s.dir)
		if tc.code != "" && (len(want) == 0 || want[0].Code != tc.code || want[0].Line == 0) {
			t.Errorf("%s: config verify: %+v, want %s with its line", tc.name, want, tc.code)
		}
		for _, args := range [][]string{{"check", "--quick"}, {"status"}} {
			got := s.findings(t, append(args, "--json", "--dir", s.dir)...)
			for _, f := range want {
				if string(f.Severity) != config.Label(finding.Note) && !slices.Contains(got, f) { // check omits notes
					t.Errorf("%s: %s lacks %+v in %+v", tc.name, args[0], f, got)
				}
			}
			for _, f := range got {
				if f.Code == "" || f.What == "" || f.Severity != finding.Refused && f.Severity != finding.Warning {
					t.Errorf("%s: %s: incomplete %+v", tc.name, args[0], f)
				}
			}
		}
	}
}

// findings runs a command that must find something, and returns the findings in its JSON.
func (s *site) findings(t *testing.T, args ...string) []finding.Finding {
	t.Helper()
	got := s.run(args...)
	var report struct{ Findings []finding.Finding }
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("%v: %v\n%+v", args, err, got)
	}
	if worst := slices.ContainsFunc(report.Findings, func(f finding.Finding) bool { return f.Severity == finding.Refused }); worst && got.code != cli.ExitFindings {
		t.Errorf("%v: exit code %d, want %d", args, got.code, cli.ExitFindings)
	}
	return report.Findings
}
