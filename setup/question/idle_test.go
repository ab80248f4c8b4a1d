package question_test

import (
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/machine/machinetest"
)

// A flag that changes nothing is told of, with what it belongs to; one that does, one that only confirms, and those of a wizard, whose other
// answers are still to come, are not.
func TestIdleFlagsTold(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		flags answer.Values
		want  string
	}{
		{answer.Values{"tls-cert": {"/etc/tls.crt"}, "tls-key": {"/etc/tls.key"}}, "--tls-cert: changes nothing here; it belongs to --tls files, --tls-key: changes nothing here; it belongs to --tls files"},
		{answer.Values{"s3-bucket": {"packs"}}, ""}, // refused
		{answer.Values{"acme-email": {"me@example.com"}}, "--acme-email: changes nothing here; it belongs to --tls letsencrypt"},
		{answer.Values{"run-as": {"nobody"}}, "--run-as: changes nothing here; it belongs to --service systemd"},
		{answer.Values{"tls": {"off"}, "addr": {"127.0.0.1:5000"}, "san": {"a.example"}}, "--san: changes nothing here; it belongs to a certificate that setup makes: --tls private-ca or self-signed"},
		{answer.Values{"storage": {"inmemory"}, "confirm-inmemory": {"true"}, "storage-path": {"/srv"}}, "--storage-path: changes nothing here; it belongs to --storage filesystem"},
		{answer.Values{"insecure": {"true"}, "san": {"a.example"}, "storage-path": {t.TempDir() + "/data"}}, ""},
	} {
		for _, quick := range []bool{false, true} {
			_, findings := answer.Resolve(
				t.Context(), machinetest.New(t, &machinetest.Host{}), nil,
				answer.Input{Flags: row.flags, Quick: quick},
			)
			var told []string
			for _, f := range findings {
				if f.What == "changes nothing here" {
					told = append(told, f.String())
				}
			}
			want := row.want
			if quick {
				want = ""
			}
			if got := strings.Join(told, ", "); got != want {
				t.Errorf("%v (at a terminal: %t):\n got %s\nwant %s", row.flags, quick, got, want)
			}
		}
	}
}

// TestEmptyDirectoryRefused verifies that an empty --dir, such as an unset variable in a script, is an error.
func TestEmptyDirectoryRefused(t *testing.T) {
	t.Parallel()
	_, findings := answer.Resolve(
		t.Context(), machinetest.New(t, &machinetest.Host{}), nil,
		answer.Input{Flags: answer.Values{"dir": {""}}},
	)
	if want := "--dir: the installation directory is empty; name one with --dir, or set HOME"; len(findings) == 0 ||
		findings[0].String() != want ||
		findings[0].Severity != finding.Refused {
		t.Errorf("found %v", findings)
	}
}
