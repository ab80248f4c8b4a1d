package apply

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
)

// TestGoodAnswersAreNotRefused keeps the table above honest.
func TestGoodAnswersAreNotRefused(t *testing.T) {
	cert, key, _ := answertest.PEMFiles(t, 90, machinetest.Now, "registry.example.com")
	for name, flags := range map[string]answer.Values{
		"nothing":          nil,
		"an address":       {"hostname": {"192.0.2.17"}},
		"IPv6":             {"hostname": {"[2001:db8::17]"}},
		"IDN":              {"hostname": {"bücher.example"}},
		"own files":        {"tls": {"files"}, "tls-cert": {cert}, "tls-key": {key}},
		"plain, here only": {"tls": {"off"}, "addr": {"127.0.0.1:5000"}},
		"plain, confirmed": {"tls": {"off"}, "addr": {":5000"}, "insecure": {"true"}},
		"in memory":        {"storage": {"inmemory"}, "confirm-inmemory": {"true"}},
		"upper case":       {"hostname": {"Registry.Example.COM"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "packhouse")
			m := machinetest.New(t, &machinetest.Host{})
			planned := planFor(t, m, dir, flags)
			if _, err := Apply(t.Context(), planned, Options{}); err != nil {
				t.Fatal(err)
			}
			if again := planFor(t, m, dir, flags); again.Pending() {
				t.Errorf("pending again: %s", describe(again))
			}
		})
	}
}

// TestSecretsAreNeverPrinted walks everything that is shown, with a password in every place it can come from.
func TestSecretsAreNeverPrinted(t *testing.T) {
	const canary = "canary-in-the-mine-1"
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	resolved, findings := answer.Resolve(t.Context(), m, nil, answer.Input{
		Flags: answer.Values{
			"dir":           {dir},
			"user":          {"a", "b"},
			"password-file": {"admin=F"},
		}, Env: []string{"PACKHOUSE_PASSWORD_A=" + canary},
		PasswordLines: strings.NewReader(
			"b:" + canary + "\n",
		), ReadFile: func(string) ([]byte, error) { return []byte(canary), nil },
	})
	if finding.AnyRefused(findings) {
		t.Fatal(findings)
	}
	planned, err := plan.Make(t.Context(), m, nil, resolved, plan.Options{Now: machinetest.Now, HashCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := planned.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	card := plan.Handoff(t.Context(), m, planned)
	shown := fmt.Sprintf(
		"%+v %#v %v %s %s %s %+v", resolved, resolved, findings, encoded, resolved.CommandLine(),
		resolved.AnswersYAML(), card,
	)
	for _, c := range planned.Changes {
		shown += planned.DiffOf(&c) + strings.Join(c.Meaning, "\n")
	}
	if strings.Contains(shown, canary) {
		t.Error("a password is shown")
	}
	for _, hidden := range []string{"$2y$", "PRIVATE KEY"} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%s is shown", hidden)
		}
	}
	for _, c := range planned.Changes {
		if c.Path != filepath.Join(dir, installation.HtpasswdFile) && strings.Contains(string(c.After), canary) {
			t.Errorf("%s holds a password", c.Path)
		}
	}
}
