package apply

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/certgen"
	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
)

// TestCAPermit follows the limits of a private CA from their flags into the certificate, through
// re-runs, and into a new CA.
func TestCAPermit(t *testing.T) {
	m := machinetest.New(t, &machinetest.Host{})
	dir := filepath.Join(t.TempDir(), "packhouse")
	first := answer.Values{
		"hostname": {"registry.example.com"}, "san": {"10.1.2.3", "192.0.2.9"}, "no-san": {"registry"},
		"addr": {":5001"}, "ca-permit": {"example.com", "10.0.0.0/8"},
	}
	install(t, m, dir, first)
	permitted := func() []string {
		t.Helper()
		in, err := installation.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := certgen.PermittedBy(in.CA.Chain[0])
		return p.Strings()
	}
	for _, want := range []string{"example.com", "10.0.0.0/8", "localhost", "127.0.0.0/8", "::1", "192.0.2.9", "registry"} {
		if !slices.Contains(permitted(), want) {
			t.Errorf("%s is not permitted: %v", want, permitted())
		}
	}
	resolve := func(flags answer.Values) []finding.Finding {
		t.Helper()
		in, err := installation.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		_, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: answertest.InDir(flags, dir)})
		return findings
	}
	limits := func(findings []finding.Finding) bool {
		return slices.ContainsFunc(findings, func(f finding.Finding) bool {
			return f.Code == setup.CodeCALimits && f.Severity == finding.Refused &&
				strings.Contains(f.Remedy, "--new-ca")
		})
	}
	for _, test := range []struct {
		name    string
		flags   answer.Values
		refused bool
	}{
		{"nothing", nil, false},
		{"a name within", answer.Values{"san": {"other.example.com", "10.9.9.9"}}, false},
		{"the short name", answer.Values{"san": {"registry"}}, false},
		{"a name outside", answer.Values{"san": {"registry.example.org"}}, true},
		{"an address outside", answer.Values{"san": {"198.51.100.1"}}, true},
		{"a name outside, with a new CA", answer.Values{"san": {"registry.example.org"}, "new-ca": {"true"}}, false},
		{"the same limits", answer.Values{"ca-permit": {"10.0.0.0/8", "example.com"}}, false},
		{"other limits", answer.Values{"ca-permit": {"example.org"}}, true},
		{"no limits", answer.Values{"ca-permit": {""}}, true},
	} {
		if got := limits(resolve(test.flags)); got != test.refused {
			t.Errorf("%s: refused %t, want %t: %v", test.name, got, test.refused, resolve(test.flags))
		}
	}
	install(t, m, dir, answer.Values{"new-ca": {"true"}})
	if !slices.Contains(permitted(), "example.com") {
		t.Errorf("a new CA lost the limits: %v", permitted())
	}
	install(t, m, dir, answer.Values{"new-ca": {"true"}, "ca-permit": {""}})
	if len(permitted()) > 0 {
		t.Errorf("a new CA without limits permits only %v", permitted())
	}
}
