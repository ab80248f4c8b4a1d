package apply

import (
	"path/filepath"
	"slices"
	"testing"

	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/machine/machinetest"
)

// TestRenameKeepsNamesInUse types a new host name letter by letter, as the wizard passes it on.
func TestRenameKeepsNamesInUse(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"hostname": {"old.example.com"}, "addr": {":5443"}})
	_, resolved := answertest.Resolve(t, m, dir, nil)
	a := resolved.Answers
	q := answertest.Question(t, "hostname")
	for n := range len("old.example.org") {
		if err := q.Set(&a, "old.example.org"[:n+1]); err != nil {
			t.Fatal(err)
		}
	}
	names, err := a.CertNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"old.example.org", "old.example.com", "old", "localhost"} {
		if !slices.Contains(names.Strings(), want) {
			t.Errorf("%s is not in the certificate: %v", want, names.Strings())
		}
	}
	if slices.Contains(names.Strings(), "o") {
		t.Errorf("a half-typed name is in the certificate: %v", names.Strings())
	}

	// An unchecked name stays unchecked.
	for i := range a.SANs {
		if a.SANs[i].Name == "old.example.com" {
			a.SANs[i].Ticked = false
		}
	}
	if err := q.Set(&a, "new.example.org"); err != nil {
		t.Fatal(err)
	}
	if names, err = a.CertNames(); err != nil || slices.Contains(names.Strings(), "old.example.com") {
		t.Errorf("unchecked, and in the certificate: %v, %v", names.Strings(), err)
	}
}
