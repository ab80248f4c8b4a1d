package tui

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

// What ? says is about what is on the screen.
func TestHelpIsAboutTheScreen(t *testing.T) {
	for at, want := range map[place]string{
		reviewing: "only w does", checking: "cannot be proven from here", handing: "p shows and hides them", serving: "ends with it", managing: "r refreshes it", applying: "before the review",
	} {
		s := open(t, fixtureOptions(), 80, 24)
		s.m.place = at
		if got := strings.Join(s.m.helpText(60), " "); !strings.Contains(got, want) {
			t.Errorf("screen %d: %s", at, got)
		}
		if got := ansi.Strip(s.m.keyLine(80)); at != applying && at != managing &&
			!strings.Contains(got, "? help") {
			t.Errorf("screen %d does not mention its help: %s", at, got)
		}
	}
}

// A path is shown as it is going to be written, where it was typed in another way.
func TestPathsAreToldWhole(t *testing.T) {
	const home = "/home/ann" // short, so that it is on one line
	t.Setenv("HOME", home)
	o := fixtureOptions()
	o.Steps = []question.Step{
		{ID: "storage", Title: "Storage", Questions: []*question.Question{realQuestion(t, "storage-path")}},
	}
	o.Steps[0].Questions[0].Probe = nil
	s := open(t, o, 80, 24)
	s.wantsNot("that is")
	s.keys("<ctrl+u>~/packs")
	s.wants("that is " + filepath.Join(home, "packs"))
	s.keys("<ctrl+u>/srv/packs")
	s.wantsNot("that is")

	out, outcome, _ := typeLines(t, o, "~/packs\nback\n\nquit\n")
	wantsLines(
		t, out, "Note: that is "+filepath.Join(home, "packs"),
		"Default: "+filepath.Join(home, "packs")+". Your answer: ",
	)
	if got, want := outcome.Resolved.Answers.StoragePath, filepath.Join(home, "packs"); got != want {
		t.Errorf("the answer is %q, want %q", got, want)
	}
}

// realQuestion is one of the product's own.
func realQuestion(t *testing.T, id string) *question.Question {
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

// In lines a choice is named as it was read out, too.
func TestLinesTakeTitles(t *testing.T) {
	o := fixtureOptions()
	o.Steps = []question.Step{{ID: "tls", Title: "TLS", Questions: []*question.Question{realQuestion(t, "tls")}}}
	o.Steps[0].Questions[0].Probe = nil
	for typed, want := range map[string]setup.TLSMode{"self-SIGNED": setup.SelfSigned, "own files": setup.Files, "Private CA": setup.PrivateCA, "letsencrypt": setup.LetsEncrypt, "2": setup.SelfSigned} {
		out, outcome, _ := typeLines(t, o, typed+"\nquit\n")
		if got := outcome.Resolved.Answers.TLS; got != want {
			t.Errorf("%q gives %s, want %s:\n%s", typed, got, want, out)
		}
	}
}

// In lines an answer that there need not be can be taken away, and one that there has to be cannot.
func TestLinesTakeAnswersAway(t *testing.T) {
	o := fixtureOptions()
	o.Resolved.Answers.PublicURL = "https://packs.example.com"
	public := realQuestion(t, "public-url")
	public.Advanced = false
	o.Steps = []question.Step{
		{ID: "address", Title: "Address", Questions: []*question.Question{realQuestion(t, "hostname"), public}},
	}
	o.Steps[0].Questions[0].Probe = nil
	o.Plan = func(context.Context, answer.Resolved) (*plan.Plan, error) { return nil, context.Canceled }
	out, outcome, _ := typeLines(t, o, "\nnone\nback\nback\n\nnone\n\nquit\n")
	wantsLines(
		t, out, "Default: registry.example.com, detected on this machine. Your answer: ",
		"Default: https://packs.example.com; none removes it. Your answer: ",
		"Default: empty, which means: no. Your answer: ",
	)
	if got := outcome.Resolved.Answers; got.PublicURL != "" || got.Hostname != "registry.example.com" {
		t.Errorf("the answers are %q and %q", got.PublicURL, got.Hostname)
	}
}

// Where no answer means something, that is told: beside the question, while it is open and after,
// and in lines.
func TestEmptyIsExplained(t *testing.T) {
	o := fixtureOptions()
	endpoint := realQuestion(t, "s3-endpoint")
	endpoint.Asked = nil
	o.Steps = []question.Step{
		{ID: "storage", Title: "Storage", Questions: []*question.Question{endpoint, realQuestion(t, "hostname")}},
	}
	s := open(t, o, 80, 24)
	s.wants("empty means: AWS")
	s.keys("h")
	s.wantsNot("empty means")
	s.keys("<backspace><tab>")
	s.wants("(AWS)")
	out, _, _ := typeLines(t, o, "")
	wantsLines(t, out, "Default: empty, which means: AWS. Your answer: ")
}

// A store of another installation can be taken over, and no is the default.
func TestTakeOverInTheWizard(t *testing.T) {
	root := t.TempDir()
	record := filepath.Join(root, "packhouse", "installation.json")
	if err := os.MkdirAll(filepath.Dir(record), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(record, []byte(`{"installation":"1","directory":"/etc/elsewhere","created":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o := fixtureOptions()
	o.Steps = []question.Step{
		{
			ID:        "storage",
			Title:     "Storage",
			Questions: []*question.Question{realQuestion(t, "storage-path"), realQuestion(t, "take-over-store")},
		},
	}
	o.Steps[0].Questions[0].Probe = nil
	for _, size := range [][2]int{{80, 24}, {40, 12}} {
		s := open(t, o, size[0], size[1])
		s.wantsNot("Take over")
		s.keys("<ctrl+u>" + root)
		s.keys("<enter>")
		s.wants("(•) No", "/etc/elsewhere")
		s.keys("<enter>")
		s.wants("(•) No")
		if s.m.place != asking {
			t.Fatalf("phase %d after no, want still the question", s.m.place)
		}
		s.keys("<down>")
		s.wants("(•) Yes")
		if !s.m.session.Answers.TakeOver {
			t.Error("yes is not the answer")
		}
		s.keys("<up><up><ctrl+u>/srv/packs<ctrl+u>" + root + "<enter>") // consent was for the directory before
		s.wants("(•) No")
	}

	out, outcome, _ := typeLines(t, o, root+"\n\nback\n"+root+"\nyes\nquit\n")
	wantsLines(t, out, "belongs to the installation in /etc/elsewhere")
	if !outcome.Resolved.Answers.TakeOver {
		t.Errorf("yes is not the answer:\n%s", out)
	}
}
