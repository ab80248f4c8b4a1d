package apply

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/server/config"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// rewrite changes the configuration of an installation as an editor does.
func rewrite(t *testing.T, dir string, change func([]byte) []byte) []byte {
	t.Helper()
	path := filepath.Join(dir, installation.ConfigFile)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o644); err != nil {
		t.Fatal(err)
	}
	return change(data)
}

// TestAnEditorsWaysStay: whatever an editor made of the file, only the line of what changes is another one.
func TestAnEditorsWaysStay(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"a byte order mark": func(b []byte) []byte { return append([]byte("\ufeff"), b...) },
		"lines of Windows":  func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")) },
		"both": func(b []byte) []byte {
			return append([]byte("\ufeff"), bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))...)
		},
		"no end of line":        func(b []byte) []byte { return bytes.TrimRight(b, "\n") },
		"tabs behind values":    func(b []byte) []byte { return bytes.Replace(b, []byte("http:\n"), []byte("http:\t# the\tserver\n"), 1) },
		"blanks on empty lines": func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("\n\n"), []byte("\n  \n\n")) },
		"ends of a document":    func(b []byte) []byte { return slices.Concat([]byte("---\n"), b, []byte("...\n# behind it\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
			install(t, m, dir, nil)
			edited := rewrite(t, dir, change)
			install(t, m, dir, answer.Values{"addr": {":5001"}})
			got, err := os.ReadFile(filepath.Join(dir, installation.ConfigFile))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(string(edited), `":443"`, `:5001`, 1); string(got) != want {
				t.Errorf("%q\nwant\n%q", got, want)
			}
			if planned := planFor(t, m, dir, answer.Values{"addr": {":5001"}}); planned.Pending() {
				t.Errorf("a second run finds something to change: %s", describe(planned))
			}
		})
	}
}

// TestALineThatCannotBeChangedIsNamed, with its key, and with what is to be done by hand.
func TestALineThatCannotBeChangedIsNamed(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, nil)
	rewrite(t, dir, func(b []byte) []byte { return bytes.Replace(b, []byte("addr: "), []byte("addr: &here "), 1) })
	in, resolved := answertest.Resolve(t, m, dir, answer.Values{"addr": {":5001"}})
	_, err := plan.Make(t.Context(), m, in, resolved, plan.Options{Now: machinetest.Now, HashCost: 4})
	refusal, ok := errors.AsType[*finding.Error](err)
	if !ok || refusal.Findings[0].Code != setup.CodeEdit || !strings.Contains(refusal.Findings[0].What, "anchor") ||
		!strings.Contains(refusal.Findings[0].Remedy, "http.addr by hand") {
		t.Errorf("%v", err)
	}
}

// TestARefusedConfigurationIsTheOnlyFinding: where it cannot be read, the other answers are defaults, and their faults nobody's.
func TestARefusedConfigurationIsTheOnlyFinding(t *testing.T) {
	m, dir := machinetest.New(
		t, &machinetest.Host{Taken: map[int]machine.Process{443: {PID: 1, Name: "nginx"}}},
	), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"addr": {"127.0.0.1:5001"}, "tls": {"off"}})
	rewrite(t, dir, func(b []byte) []byte { return append(b, "nonsense: true\n"...) })
	in, err := installation.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, findings := answer.Resolve(t.Context(), m, in, answer.Input{Flags: answer.Values{"tls": {"off"}}})
	for _, f := range findings {
		if f.Severity != finding.Note && f.Code != config.CodeUnknownKey {
			t.Errorf("a finding beside the cause: %v", f)
		}
	}
	if !finding.AnyRefused(findings) {
		t.Error("it is not refused")
	}
}

// TestWhoBecameWhatIsTold beside the file that roles are kept in, which is the one that changes.
func TestWhoBecameWhatIsTold(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"user": {"ci:reader"}})
	planned := planFor(t, m, dir, answer.Values{"user": {"ci:writer"}})
	if c := planned.Change(installation.ConfigFile); c.Kind != setup.Update ||
		!slices.Contains(c.Meaning, "user ci is writer, was reader") {
		t.Errorf("%s: %q", c.Kind, c.Meaning)
	}
	if c := planned.Change(installation.HtpasswdFile); c.Kind != setup.Keep {
		t.Errorf("%s: %q", c.Kind, c.Meaning)
	}
}
