package question_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/answer/answertest"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/question"
)

// TestBarePort accepts a port without a host, as a flag and as it is typed.
func TestBarePort(t *testing.T) {
	for text, want := range map[string]string{
		"5000": ":5000", " 5000 ": ":5000", ":5000": ":5000", "0": ":0", "99999": ":99999", "": "", "127.0.0.1:5000": "127.0.0.1:5000", "localhost": "localhost", "[::1]:5000": "[::1]:5000",
	} {
		var a question.Answers
		if err := answertest.Question(t, "addr").Set(&a, text); err != nil {
			t.Fatal(err)
		}
		if a.Addr != want {
			t.Errorf("%q is the address %q, want %q", text, a.Addr, want)
		}
	}
	_, resolved := answertest.Resolve(
		t, machinetest.New(t, &machinetest.Host{}), t.TempDir(), answer.Values{"addr": {"5000"}},
	)
	if resolved.Answers.Addr != ":5000" {
		t.Errorf("--addr 5000 is the address %q", resolved.Answers.Addr)
	}
}

func TestTickList(t *testing.T) {
	m := machinetest.New(t, &machinetest.Host{})
	resolved, _ := answer.Resolve(
		t.Context(),
		m,
		nil,
		answer.Input{
			Quick: true,
			Flags: answer.Values{"addr": {"127.0.0.1:5443"}, "san": {"10.1.2.3"}, "no-san": {"localhost"}},
		},
	)
	var got []string
	for _, s := range resolved.Answers.SANs {
		mark := " "
		if s.Ticked {
			mark = "x"
		}
		got = append(got, fmt.Sprintf("[%s] %s %s", mark, s.Name, s.Origin))
	}
	want := []string{
		"[x] registry short name", "[x] 192.0.2.17 eth0", "[ ] 172.17.0.1 docker0", "[ ] localhost always", "[x] 10.1.2.3 typed", "[x] 127.0.0.1 address",
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	a := &resolved.Answers
	if err := answertest.Question(t, "hostname").Set(a, "packs.example.org"); err != nil {
		t.Fatal(err)
	}
	if err := answertest.Question(t, "addr").Set(a, ":5000"); err != nil {
		t.Fatal(err)
	}
	if got, want := answertest.Question(t, "san").Get(a), "packs,192.0.2.17,10.1.2.3"; got != want {
		t.Errorf("after another host name and address: %s, want %s", got, want)
	}
}

func TestInternationalNames(t *testing.T) {
	m := machinetest.New(t, &machinetest.Host{})
	resolved, findings := answer.Resolve(
		t.Context(), m, nil,
		answer.Input{Quick: true, Flags: answer.Values{"hostname": {"Bücher.example"}, "san": {"straße.example"}}},
	)
	names, err := resolved.Answers.CertNames()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(names.DNS, "xn--bcher-kva.example") || !slices.Contains(names.DNS, "xn--strae-oqa.example") {
		t.Errorf("names %v", names.DNS)
	}
	if !slices.ContainsFunc(findings, func(f finding.Finding) bool {
		return f.Code == setup.CodeIDN && strings.Contains(f.What, "bücher.example") &&
			strings.Contains(f.What, "xn--bcher-kva.example")
	}) {
		t.Errorf("both forms are not shown: %v", findings)
	}
	if got, want := resolved.Answers.URL(), "https://xn--bcher-kva.example"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestURL(t *testing.T) {
	for _, tc := range []struct {
		a    question.Answers
		want string
	}{
		{question.Answers{Hostname: "a.example", Addr: ":443", TLS: setup.PrivateCA}, "https://a.example"},
		{question.Answers{Hostname: "a.example", Addr: ":5000", TLS: setup.Files}, "https://a.example:5000"},
		{question.Answers{Hostname: "a.example", Addr: ":80", TLS: setup.Off}, "http://a.example"},
		{question.Answers{Hostname: "2001:db8::1", Addr: ":443", TLS: setup.PrivateCA}, "https://[2001:db8::1]"},
		{question.Answers{Hostname: "2001:db8::1", Addr: "[::]:5000", TLS: setup.PrivateCA}, "https://[2001:db8::1]:5000"},
		{question.Answers{Hostname: "a.example", Addr: ":5000", TLS: setup.Off, PublicURL: "https://packs.example/"}, "https://packs.example"},
	} {
		if got := tc.a.URL(); got != tc.want {
			t.Errorf("%s, want %s", got, tc.want)
		}
	}
}

// An address that was ticked only because the server was to listen there is unticked when it listens elsewhere.
func TestListeningTicksOnlyForItself(t *testing.T) {
	t.Parallel()
	const bridge, other, typed = "172.17.0.1", "192.0.2.17", "192.0.2.18"
	a := question.Answers{
		Hostname: "registry.example.com",
		SANs:     []setup.SAN{{Name: bridge, Origin: "docker0"}, {Name: other, Ticked: true, Origin: "eth0"}},
	}
	addr := answertest.Question(t, "addr")
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
		if got := answertest.Question(t, "san").Get(&a); got != step.want {
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
			if err := answertest.Question(t, id).Set(&a, text); err != nil || get(&a) != want {
				t.Errorf("%s %q: %q, %v; want %q", id, text, get(&a), err, want)
			}
		}
	}
	t.Setenv("HOME", "")
	if err := answertest.Question(t, "cert").Set(new(question.Answers), "~/tls.crt"); err == nil ||
		!strings.Contains(err.Error(), "no home directory is known") {
		t.Errorf("without a home: %v", err)
	}
	_, resolved := answertest.Resolve(
		t, machinetest.New(t, &machinetest.Host{}), t.TempDir(), answer.Values{"storage-path": {"packs"}},
	)
	if want := filepath.Join(here, "packs"); resolved.Answers.StoragePath != want {
		t.Errorf("by a flag: %q, want %q", resolved.Answers.StoragePath, want)
	}
}
