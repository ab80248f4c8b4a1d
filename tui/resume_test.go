package tui

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"packhouse/tui/describe"
	"packhouse/tui/session"
)

// TestAnswersAreNotLost: who leaves before anything was written gets the line that goes on with
// what was answered; who answered nothing gets none.
func TestAnswersAreNotLost(t *testing.T) {
	left := func(s *display) string {
		var words bytes.Buffer
		words.WriteString(describe.Resume(s.m.session, ""))
		if strings.Contains(words.String(), secretWord) {
			t.Fatalf("a secret was written: %s", words.String())
		}
		return words.String()
	}
	s := open(t, fixtureOptions(), 80, 24)
	s.keys("<enter><ctrl+c>")
	if got := left(s); got != "" {
		t.Errorf("nothing was answered, and %q is said", got)
	}
	s = open(t, fixtureOptions(), 80, 24)
	s.keys("<ctrl+u>packs.example.org<enter><enter><ctrl+c>")
	if got := left(s); !strings.Contains(got, "the answers were not written") || !strings.Contains(got, "\npackhouse setup --dir /etc/packhouse --hostname packs.example.org ") ||
		!strings.Contains(got, " --user spectro:reader") {
		t.Errorf("got %q", got)
	}
	s = open(t, fixtureOptions(), 80, 24)
	s.keys("<ctrl+u>packs.example.org" + strings.Repeat("<enter>", 9) + "<ctrl+c>")
	if got := left(s); s.m.session.Outcome.Stage == session.Asked || got != "" {
		t.Errorf("everything was written, and %q is said", got)
	}
	s = open(t, managed(fixtureOptions()), 100, 40)
	s.keys("<down><down><enter><enter><ctrl+u>packs.example.org<esc><esc>")
	s.wants("This installation")
	s.keys("q")
	if got := left(s); !strings.Contains(got, "--hostname packs.example.org ") {
		t.Errorf("from the manager: %q", got)
	}
}

// TestTheEndOfTheInputSaysWhatToDo: the answers so far as a line that asks nothing, or that there
// is such a line.
func TestTheEndOfTheInputSaysWhatToDo(t *testing.T) {
	for typed, want := range map[string]string{
		"":                      "packhouse setup --yes asks nothing",
		"\n":                    "packhouse setup --yes asks nothing",
		"packs.example.org\n\n": "typed passwords excepted, as a command: packhouse setup --yes --dir /etc/packhouse --hostname packs.example.org ",
	} {
		_, _, err := typeLines(t, fixtureOptions(), typed)
		if got := fmt.Sprint(err); !strings.Contains(got, want) {
			t.Errorf("after %q: %q, want %q", typed, got, want)
		}
	}
}

// TestCardHasTheLineWithoutQuestions: what was done by hand can be done again, and the line can be
// copied from a narrow window.
func TestCardHasTheLineWithoutQuestions(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 60)
	s.keys(journeyTo("9-card"))
	s.wants("the same without questions (typed passwords excepted)", "packhouse setup --yes --dir /etc/packhouse --hostname registry.example.com")
	for line := range strings.SplitSeq(s.text(), "\n") {
		if line = strings.TrimSpace(line); strings.HasSuffix(line, `--san \`) || strings.HasPrefix(line, "localhost ") {
			t.Errorf("a flag is torn from its value: %q", line)
		}
	}
}
