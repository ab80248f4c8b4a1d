package apply

import (
	"path/filepath"
	"strings"
	"testing"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// questionByID is one of the list.
func questionByID(t *testing.T, id string) *question.Question {
	t.Helper()
	for _, step := range question.Steps() {
		for _, q := range step.Questions {
			if q.ID == id {
				return q
			}
		}
	}
	t.Fatalf("no question %q", id)
	return nil
}

// An address that was ticked only because the server was to listen there is unticked when it listens elsewhere.
func TestListeningTicksOnlyForItself(t *testing.T) {
	t.Parallel()
	const bridge, other, typed = "172.17.0.1", "192.0.2.17", "192.0.2.18"
	a := question.Answers{
		Hostname: "registry.example.com",
		SANs:     []setup.SAN{{Name: bridge, Origin: "docker0"}, {Name: other, Ticked: true, Origin: "eth0"}},
	}
	addr := questionByID(t, "addr")
	for _, step := range []struct {
		addr string
		want string
	}{
		{bridge + ":5000", bridge + "," + other},
		{bridge + ":5001", bridge + "," + other},
		{other + ":5000", other},
		{typed + ":5000", other + "," + typed},
		{":5000", other},
	} {
		if err := addr.Set(&a, step.addr); err != nil {
			t.Fatal(err)
		}
		if got := questionByID(t, "san").Get(&a); got != step.want {
			t.Errorf("listening at %s the names are %s, want %s", step.addr, got, step.want)
		}
	}
}

// A path means the same whoever gives it, and from wherever: a leading ~ is the home directory, and none is kept as it was typed.
func TestPathsAreWhole(t *testing.T) {
	home, here := t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Chdir(here)
	for id, get := range map[string]func(*question.Answers) string{
		"storage-path": func(a *question.Answers) string { return a.StoragePath },
		"cert":         func(a *question.Answers) string { return a.CertFile },
		"key":          func(a *question.Answers) string { return a.KeyFile },
		"s3-ca-file":   func(a *question.Answers) string { return a.S3.CAFile },
		"acme-ca":      func(a *question.Answers) string { return a.ACMECA },
	} {
		for text, want := range map[string]string{
			"~/packs":    filepath.Join(home, "packs"),
			"~":          home,
			" packs/x ":  filepath.Join(here, "packs/x"),
			"./~/packs":  filepath.Join(here, "~/packs"),
			"~old/packs": filepath.Join(here, "~old/packs"),
			"/srv/packs": "/srv/packs",
			"":           "",
		} {
			var a question.Answers
			if err := questionByID(t, id).Set(&a, text); err != nil || get(&a) != want {
				t.Errorf("%s %q: %q, %v; want %q", id, text, get(&a), err, want)
			}
		}
	}
	t.Setenv("HOME", "")
	if err := questionByID(t, "cert").Set(new(question.Answers), "~/tls.crt"); err == nil ||
		!strings.Contains(err.Error(), "no home directory is known") {
		t.Errorf("without a home: %v", err)
	}
	_, resolved := resolveAll(
		t, machinetest.New(t, &machinetest.Host{}), t.TempDir(), answer.Values{"storage-path": {"packs"}},
	)
	if want := filepath.Join(here, "packs"); resolved.Answers.StoragePath != want {
		t.Errorf("by a flag: %q, want %q", resolved.Answers.StoragePath, want)
	}
}
