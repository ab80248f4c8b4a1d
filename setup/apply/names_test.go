package apply

import (
	"path/filepath"
	"slices"
	"testing"

	"packhouse/setup/answer"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// TestRenameKeepsNamesInUse types a new host name letter by letter, as the wizard passes it on.
func TestRenameKeepsNamesInUse(t *testing.T) {
	m, dir := machinetest.New(t, &machinetest.Host{}), filepath.Join(t.TempDir(), "packhouse")
	install(t, m, dir, answer.Values{"hostname": {"old.example.com"}, "addr": {":5443"}})
	_, resolved := resolveAll(t, m, dir, nil)
	a := resolved.Answers
	q := questionNamed(t, "hostname")
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

// TestBarePort accepts a port without a host, as a flag and as it is typed.
func TestBarePort(t *testing.T) {
	for text, want := range map[string]string{
		"5000": ":5000", " 5000 ": ":5000", ":5000": ":5000", "0": ":0", "99999": ":99999", "": "", "127.0.0.1:5000": "127.0.0.1:5000", "localhost": "localhost", "[::1]:5000": "[::1]:5000",
	} {
		var a question.Answers
		if err := questionNamed(t, "addr").Set(&a, text); err != nil {
			t.Fatal(err)
		}
		if a.Addr != want {
			t.Errorf("%q is the address %q, want %q", text, a.Addr, want)
		}
	}
	_, resolved := resolveAll(
		t, machinetest.New(t, &machinetest.Host{}), t.TempDir(), answer.Values{"addr": {"5000"}},
	)
	if resolved.Answers.Addr != ":5000" {
		t.Errorf("--addr 5000 is the address %q", resolved.Answers.Addr)
	}
}

func questionNamed(t *testing.T, id string) *question.Question {
	t.Helper()
	for _, step := range question.Steps() {
		for _, q := range step.Questions {
			if q.ID == id {
				return q
			}
		}
	}
	t.Fatalf("no question %s", id)
	return nil
}
