package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/plan"
)

// TestNoticesAreWhole: a notice is shown completely, also in a narrow window; the frame shrinks
// instead.
func TestNoticesAreWhole(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 14}, {40, 12}} {
		o := managed(fixtureOptions())
		b, _ := o.Begin(t.Context())
		b.State.TLS, b.State.Certificate = setup.LetsEncrypt, nil
		s := open(t, o, size[0], size[1])
		s.keys("<enter>")
		s.wants("the server orders and renews it; packhouse cert show lists the orders")
		if lines := strings.Split(s.text(), "\n"); !strings.HasSuffix(
			strings.TrimSpace(lines[len(lines)-1]), "orders",
		) {
			t.Errorf("%d×%d: the notice is not what the frame ends with:\n%s", size[0], size[1], s.text())
		}
	}
	o := managed(fixtureOptions())
	o.Rollback = func(context.Context) (*plan.Plan, error) { return nil, errors.New("x") }
	s := open(t, o, 40, 12)
	s.m.notice = strings.Repeat("much too long ", 60)
	if lines := strings.Split(s.text(), "\n"); len(lines) != 12 || !strings.HasSuffix(lines[11], "…") {
		t.Errorf("a notice without an end:\n%s", s.text())
	}
}

// TestChoicesExplainThemselves: where there is room every option says what it means, so that
// nothing moves while one compares; in a low window the one in front does.
func TestChoicesExplainThemselves(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(strings.Repeat("<enter>", 4))
	s.wants("A local CA signs it", "A single certificate that each client trusts itself.", "Plain HTTP.")
	line := lineOf(s.text(), "My own files")
	s.keys("<down>")
	s.wants("A local CA signs it")
	if now := lineOf(s.text(), "My own files"); now != line {
		t.Errorf("line %d moved to %d", line, now)
	}
	s.resize(40, 12)
	s.wants("A single certificate")
	s.wantsNot("A local CA signs it")

	s = open(t, fixtureOptions(), 80, 24)
	s.keys(strings.Repeat("<enter>", 5) + "a")
	s.wants("also pushes and moves tags", "also deletes and overwrites", "up to 72 bytes")
}

func lineOf(frame, text string) int {
	return slices.IndexFunc(strings.Split(frame, "\n"), func(line string) bool { return strings.Contains(line, text) })
}

// TestEnterGoesOnAfterARemoval: after the last entry of a list was removed, Enter opens the next
// question and adds nothing.
func TestEnterGoesOnAfterARemoval(t *testing.T) {
	s := open(t, fixtureOptions(), 100, 30)
	s.keys(strings.Repeat("<enter>", 5) + "<down>d")
	s.wantsNot("spectro")
	s.keys("<enter>")
	s.wants("● Storage")

	s = open(t, fixtureOptions(), 100, 30)
	s.keys("<enter>apacks.example.org<enter>")
	s.wants("packs.example.org")
	s.keys("d<enter><enter>")
	s.wantsNot("packs.example.org")
	s.wants("● Address")
}

// TestEscapeTwiceIsEscape: on a slow line both presses arrive at once, and look like alt and
// escape.
func TestEscapeTwiceIsEscape(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys("<enter>")
	s.wants("● Names")
	s.send(tea.KeyMsg{Type: tea.KeyEsc, Alt: true})
	s.wants("● Host name")
}

// TestTheChosenTaskIsVisible moves through the tasks in every window: the chosen one is on the
// screen, however long the state above it is.
func TestTheChosenTaskIsVisible(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}, {60, 14}, {40, 12}} {
		o := managed(fixtureOptions())
		b, _ := o.Begin(t.Context())
		for range 10 {
			b.State.Findings = append(
				b.State.Findings,
				finding.Finding{Severity: finding.Warning, What: strings.Repeat("something is the matter ", 5)},
			)
		}
		s := open(t, o, size[0], size[1])
		tasks := s.m.session.Tasks()
		for range 2 {
			for _, task := range tasks {
				s.wants("› " + task.Name)
				s.keys("<down>")
			}
			s.keys("<home><pgdown><pgdown><pgdown><pgdown>")
		}
		s.keys("<end>")
		for i := range tasks {
			s.wants("› " + tasks[len(tasks)-1-i].Name)
			s.keys("<up>")
		}
	}
}

// TestLowWindowsShowEveryLine scrolls through the state in a low window: every line comes into
// sight, and the chosen task stays there.
func TestLowWindowsShowEveryLine(t *testing.T) {
	s := open(t, managed(fixtureOptions()), 40, 12)
	seen := s.text()
	for range s.m.stateLines(38) {
		s.keys("<pgdown>")
		s.wants("› Renew the certificate")
		seen += s.text()
	}
	for _, words := range []string{"clients use:", "server: up at", "certificate: 20 days", "users: admin (admin)", "files: auth/htpasswd-basic"} {
		if !strings.Contains(unwrapped(seen), words) {
			t.Errorf("%q is never visible", words)
		}
	}
	s.keys("<home>")
	s.wants("clients use:", "› Renew the certificate")
}

// TestPreviewMarksWhatAnAnswerChanges: beside the lines of myconfig.yml that the answers of this
// step changed, in the margin; the next step begins without marks.
func TestPreviewMarksWhatAnAnswerChanges(t *testing.T) {
	s := open(t, fixtureOptions(), 120, 34)
	s.keys("<enter><enter><enter>")
	s.wantsNot("▌")
	s.keys("<ctrl+u>:5001")
	s.wants("│▌  addr: :5001")
	if n := strings.Count(s.text(), "▌"); n != 1 {
		t.Errorf("%d lines are marked, want the one that changed:\n%s", n, s.text())
	}
	s.keys("<enter>")
	s.wants("● TLS")
	s.wantsNot("▌")
}

// TestOffersDoNotLookLikeAnswers: a field that is empty says so, also where the terminal knows no
// faint letters.
func TestOffersDoNotLookLikeAnswers(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys("<ctrl+u>")
	s.wants("› for instance registry.example.com", "take registry.example.com")
	s.keys("<right>")
	s.wants("› registry.example.com")
}
