package tui

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/layout"
	"packhouse/tui/session"
)

// next leaves steps with enter, so many times.
func enters(n int) string { return strings.Repeat("<enter>", n) }

// reviewing is how many enters lie between the first step and the review.
const reviewAfter = 8

func TestBackKeepsAnswers(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys("<ctrl+u>other.example.com<enter>")
	s.keys("a203.0.113.9<enter>")
	s.wants("203.0.113.9", "typed")
	s.keys("<esc>")
	s.wants("other.example.com")
	s.keys("<enter>")
	s.wants("[x] 203.0.113.9")
	s.keys(enters(2) + "<ctrl+u>:6000" + enters(1) + "<down>" + enters(1))
	s.wants("Who may come in")
	s.keys("<esc>")
	s.wants("(•) Self-signed")
	s.keys("<esc>")
	s.wants(":6000")
	answers := s.m.session.Resolved()
	if answers.Answers.Hostname != "other.example.com" || answers.Answers.Addr != ":6000" || answers.Answers.TLS != setup.SelfSigned {
		t.Errorf("answers are %+v", answers.Answers)
	}
	for id, want := range map[string]answer.Origin{"addr": answer.FromTyping, "storage": answer.FromDefault} {
		if origin := answers.Origins[id]; origin != want {
			t.Errorf("%s comes from %q, want %q", id, origin, want)
		}
	}
}

func TestWrongAnswerStays(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys("<ctrl+u>*.example.com")
	s.wants("wildcards are refused") // while typing, and not only on leaving
	s.keys("<enter><enter>")
	s.wants("Host name", "wildcards are refused")
	s.keys("<ctrl+u>")
	s.keys("<enter>")
	s.wants("the host name is missing")
	s.keys("ok.example.com<enter>")
	s.wants("Untick")
}

func TestTriedAndRefused(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(enters(3) + "<ctrl+u>:22<enter>")
	s.wants("port 22 is taken by sshd (pid 812)")
	s.keys("<enter>")
	s.wants("port 22 is taken by sshd (pid 812)")
	s.keys("<backspace><backspace>")
	s.wantsNot("port 22 is taken")
	s.keys("2222<enter>")
	s.wants("Where does the certificate come from")
}

func TestWarningHoldsUpOnce(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys("<enter><enter>")
	s.wants("resolves to 198.51.100.4", "Untick")
	s.keys("<enter>")
	s.wants("Where does the server listen")
}

func TestTryingCanBeStopped(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(enters(3) + "<ctrl+u>:7")
	s.begin("<enter>", "") // this one waits until it is stopped
	if s.m.job == nil {
		t.Fatal("nothing is being tried")
	}
	s.send(slowMsg{s.m.job})
	s.wants("trying address", "esc stops")
	s.keys("x") // the answers hold still
	s.keys("<esc>")
	s.wants("stopped trying", ":7")
	if s.m.job != nil {
		t.Error("the job goes on")
	}
}

func TestInvisibleIsNamed(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	for text, want := range map[string]string{
		"a\u202eb":    "U+202E (right-to-left override)",
		"a\u200bb":    "U+200B (zero width space)",
		"a\x1b[2Jb":   "U+001B (escape)",
		"a\nb":        "U+000A (line feed)",
		"a\U000e0041": "U+E0041 (invisible character)",
	} {
		s.paste(text)
		s.wants(want)
		if got := s.m.session.Answers.Hostname; got != "registry.example.com" {
			t.Errorf("%q was taken: %q", text, got)
		}
	}
	s.keys("<ctrl+u>")
	s.paste("  padded.example.com\n")
	if got := s.m.session.Answers.Hostname; got != "padded.example.com" {
		t.Errorf("pasted with space around: %q", got)
	}
}

func TestMoreSettings(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(enters(4))
	s.wantsNot("How many days")
	s.keys("<tab>")
	s.wants("› more settings")
	s.keys("<enter>")
	s.wants("How many days")
	s.keys("<ctrl+u>900")
	s.wants("Apple refuses")
	s.keys("<ctrl+u>many")
	s.wants("not a number")
	s.keys("<enter>")
	s.wants("not a number")
}

func TestQuestionsDependOnAnswers(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(enters(4) + "<down><down>")
	s.wants("Certificate", "Key")
	s.keys("<enter>")
	s.wants("Which file holds the certificate chain")
	s.keys("<enter>")
	s.wants("Which file holds its key")
	s.keys("<enter>")
	s.wants("certificate is empty")
	s.keys("<up><down>") // to the choice, and to Off, over the option that cannot be chosen
	if got := s.m.session.Answers.TLS; got != setup.Off {
		t.Fatalf("TLS is %q", got)
	}
	s.wants("Plain HTTP")
	s.wantsNot("Which file")
}

func TestUsersEditor(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(enters(5) + "aci-bot<tab><down><tab><down><tab>")
	s.keys("staple-4711<tab>staple-4712<enter>")
	s.wants("passwords do not match")
	s.wantsNot("staple")
	s.keys("<ctrl+u>staple-4711<enter>")
	s.wants("ci-bot", "writer", "password typed")
	s.wantsNot("staple")
	user := s.m.session.Answers.User("ci-bot")
	if user == nil || user.Role != setup.Writer || user.Password.Reveal() != "staple-4711" || user.Source != setup.Typed {
		t.Fatalf("the user is %+v", user)
	}
	s.keys("<enter>")
	s.wants("Where is content kept")
	s.keys("<esc>aadmin<tab>")
	s.wants("user \"admin\" already exists")
	s.keys("<esc>")
	s.keys("<up><up>d") // the only admin
	s.keys("<enter>")
	s.wants("nobody is an admin")
}

func TestPasswordIsMeasuredInBytes(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(enters(5) + "abob<tab><tab><down><tab>")
	s.paste(strings.Repeat("é", 37)) // 37 characters, 74 bytes
	s.wants("74 bytes exceed the limit of 72")
	s.paste(strings.Repeat("é", 36))
	s.wantsNot("exceed the limit")
}

func TestHelp(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys("?")
	s.wants("it becomes part of every", "--hostname", "detected on this machine")
	s.keys("x<esc>")
	s.wants("By which name")
	s.keys(enters(5) + "a?")
	s.wants("?") // a name may be typed with it
	if s.m.helpOpen {
		t.Error("a question mark opened the help while a name was typed")
	}
	s.keys("<f1>")
	s.wants("A reader pulls")
}

func TestEnterNeverReplaces(t *testing.T) {
	for _, kind := range []setup.ChangeKind{setup.Update, setup.Remove} {
		o := fixtureOptions()
		o.Plan = fixturePlan(kind)
		o.Apply = func(context.Context, *plan.Plan, func(verb, path string)) (*apply.Applied, error) {
			t.Errorf("%s: enter wrote", kind)
			return &apply.Applied{}, nil
		}
		s := open(t, o, 80, 24)
		s.keys(enters(reviewAfter + 5))
		s.wants("w writes them")
	}
}

func TestNothingToChange(t *testing.T) {
	o := fixtureOptions()
	o.Plan = fixturePlan(setup.Keep)
	o.Apply = func(context.Context, *plan.Plan, func(verb, path string)) (*apply.Applied, error) {
		t.Error("something was written")
		return nil, nil
	}
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter))
	s.wants("nothing will be written")
	s.keys("<enter>")
	s.wants("checks passed")
	s.keys("<enter>")
	s.wantsNot("p shows it") // no password was generated, though the plan would have had one
}

func TestPlanRefused(t *testing.T) {
	o := fixtureOptions()
	tries := 0
	good := o.Plan
	o.Plan = func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
		if tries++; tries == 1 {
			return nil, errors.New("the disk is full; free some space")
		}
		return good(ctx, resolved)
	}
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter))
	s.wants("the disk is full; free some space")
	s.keys("<enter>w")
	if s.m.place != reviewing {
		t.Fatalf("phase %d without a plan", s.m.place)
	}
	s.keys("r")
	s.wants("will be written")
}

func TestApplyFails(t *testing.T) {
	o := fixtureOptions()
	o.Apply = func(context.Context, *plan.Plan, func(verb, path string)) (*apply.Applied, error) {
		return nil, errors.New("rename certs/tls.crt: no space left on device")
	}
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter + 1))
	s.wants("no space left on device", "The installation is as it was before")
	if s.m.session.Outcome.Stage != session.Asked {
		t.Errorf("stage %d", s.m.session.Outcome.Stage)
	}
	s.keys("<esc>")
	s.wants("Review")
}

func TestServerDoesNotStart(t *testing.T) {
	o := fixtureOptions()
	good := o.Start
	tries := 0
	o.Start = func(ctx context.Context, planned *plan.Plan) (installation.Running, error) {
		if tries++; tries == 1 {
			return nil, errors.New("listen :5000: address already in use")
		}
		return good(ctx, planned)
	}
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter + 1))
	s.wants("The server did not start", "address already in use")
	if s.m.session.Outcome.Stage != session.Applied {
		t.Errorf("stage %d", s.m.session.Outcome.Stage)
	}
	s.keys("<enter>")
	s.wants("The server did not start")
	s.keys("r")
	s.wants("4 of 5 checks passed")
}

func TestFailedCheck(t *testing.T) {
	o := fixtureOptions()
	o.Prove = func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
		return fixtureReport(ctx, report, check.Failed)
	}
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter + 1))
	s.wants("✗ round trip", "failed:", "cause: the disk is full", "remedy: free some space", "P-42", "1 failed")
	s.keys("<enter>")
	s.wants("Written, but not working yet")
	s.keys("pq")
	if !s.left || s.m.session.Outcome.ExitCode() != 4 {
		t.Errorf("left %v with %d", s.left, s.m.session.Outcome.ExitCode())
	}
}

func TestPasswordIsShownOnPurpose(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.keys(enters(reviewAfter + 2))
	s.wants("The registry works", "••••••••", "p shows it")
	s.keys("<enter>")
	s.wants("the generated password has not been shown")
	s.keys("p")
	s.wants(generatedWord)
	s.keys("p")
	s.wantsNot(generatedWord)
	s.keys("p<enter>")
	s.wants("the server runs until ctrl+c")
	s.keys("<esc>")
	s.wants("The registry works")
	s.wantsNot(generatedWord)
}

func TestOutcome(t *testing.T) {
	for _, tc := range []struct {
		name, keys string
		stage      session.Stage
		signal     syscall.Signal
		code       int
	}{
		{"ctrl+c while asked", "<ctrl+c>", session.Asked, syscall.SIGINT, 130},
		{"ctrl+c in the review", enters(reviewAfter) + "<ctrl+c>", session.Asked, syscall.SIGINT, 130},
		{"ctrl+c on the card", enters(reviewAfter+2) + "<ctrl+c>", session.Proved, syscall.SIGINT, 130},
		{"ctrl+c while serving", enters(reviewAfter+2) + "p<enter><ctrl+c>", session.Proved, 0, 0},
		{"left from the card", enters(reviewAfter+2) + "pq", session.Proved, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := open(t, fixtureOptions(), 80, 24)
			s.keys(tc.keys)
			if !s.left {
				t.Fatal("still there")
			}
			o := s.m.session.Outcome
			if o.Stage != tc.stage || o.Signal != tc.signal || o.ExitCode() != tc.code {
				t.Errorf("stage %d, signal %v, code %d; want %d, %v, %d", o.Stage, o.Signal, o.ExitCode(), tc.stage, tc.signal, tc.code)
			}
		})
	}
}

// TestHalfAFormIsNoSuccess holds that an end without any key is told apart from a setup that went
// well.
func TestHalfAFormIsNoSuccess(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	s.send(leaveMsg{signal: syscall.SIGTERM})
	if !s.left || s.m.session.Outcome.ExitCode() != 143 {
		t.Errorf("left %v with %d", s.left, s.m.session.Outcome.ExitCode())
	}
	if code := (session.Outcome{}).ExitCode(); code == 0 {
		t.Error("an empty outcome counts as success")
	}
}

func TestPanicWhileDrawing(t *testing.T) {
	s := open(t, fixtureOptions(), 80, 24)
	quit := false
	s.m.quit = func() { quit = true }
	s.m.questions.forms[0].step.Title = "x"
	s.m.session.At = 99 // there is no such step
	if frame := s.g.View(); frame != "" || s.m.broken == nil || !quit {
		t.Errorf("frame %q, broken %v, quit %v", frame, s.m.broken, quit)
	}
}

func TestShellLines(t *testing.T) {
	line := `curl --cacert "/etc/pack house/ca.crt" -u admin https://registry.example.com:5000/v2/_catalog`
	for width := 10; width < 120; width++ {
		lines := layout.Shell(line, width)
		joined := ""
		for i, l := range lines {
			if i < len(lines)-1 {
				var ok bool
				if l, ok = strings.CutSuffix(l, `\`); !ok {
					t.Fatalf("width %d: line %q goes on without a backslash", width, l)
				}
			}
			joined += l
		}
		if got := strings.Join(strings.Fields(joined), " "); got != line {
			t.Fatalf("width %d: a shell reads %q", width, got)
		}
	}
}

// TestSecondRound holds that who goes back after the files were written changes only what is
// changed then.
func TestSecondRound(t *testing.T) {
	o := fixtureOptions()
	var plans []answer.Resolved
	first := o.Plan
	o.Plan = func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
		plans = append(plans, resolved)
		planned, err := first(ctx, resolved)
		if len(plans) > 1 {
			planned.Passwords = nil // nothing is generated for a user who has a password
		}
		return planned, err
	}
	o.Resolved.Answers.RotateCert = true
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter + 1))
	s.wants("4 of 5 checks passed")
	s.keys("<esc>")
	s.wants("Which directory", "as it is now")
	s.keys(enters(1) + "<enter>")
	if len(plans) != 2 {
		t.Fatalf("%d plans", len(plans))
	}
	if again := plans[1].Answers; again.RotateCert || again.Users[0].Source != setup.Kept || again.Users[1].Password != "" {
		t.Errorf("the second plan is made of %+v", again)
	}
	s.wants("4 of 5 checks passed")
	s.keys("<enter>p")
	s.wants(generatedWord) // of the first round, and still in force
}

// TestLaterAnswerSpoilsEarlierOne holds that the review is not reached with an answer that has
// become impossible.
func TestLaterAnswerSpoilsEarlierOne(t *testing.T) {
	o := fixtureOptions()
	hostname := o.Steps[0].Questions[0]
	hostname.Validate = func(_ context.Context, _ *machine.Machine, a *question.Answers) []finding.Finding {
		if a.Storage != "filesystem" && a.Hostname != "other.example.com" {
			return refused("hostname", "", "this name does not go with that storage", "")
		}
		return nil
	}
	s := open(t, o, 80, 24)
	s.keys(enters(6) + "<down><enter>")
	s.wants("Host name", "this name does not go with that storage")
	s.keys("<ctrl+u>other.example.com" + enters(6))
	s.wants("will be written")
}

func TestLeavingTwiceDoesNotWait(t *testing.T) {
	o := fixtureOptions()
	o.Apply = func(context.Context, *plan.Plan, func(verb, path string)) (*apply.Applied, error) {
		select {} // does not listen
	}
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter))
	s.begin("<enter>", "")
	s.keys("<ctrl+c>")
	s.wants("stopping and undoing what was written")
	if s.left {
		t.Fatal("it did not wait for the files")
	}
	s.keys("<ctrl+c>")
	if !s.left || s.m.session.Outcome.ExitCode() != 130 || s.m.session.Outcome.Stage != session.Asked {
		t.Errorf("left %v with %d at stage %d", s.left, s.m.session.Outcome.ExitCode(), s.m.session.Outcome.Stage)
	}
}

// TestRemovedUsers holds that a removal asked for by a flag survives the editor, and ends when the
// user is added again.
func TestRemovedUsers(t *testing.T) {
	o := fixtureOptions()
	o.Resolved.Answers.RemoveUsers = []string{"old"}
	o.Resolved.Answers.Users[1].Source = setup.Kept
	s := open(t, o, 80, 24)
	s.keys(enters(5) + "<down>d")
	if got := strings.Join(s.m.session.Answers.RemoveUsers, " "); got != "old spectro" {
		t.Errorf("to be removed: %q", got)
	}
	s.keys("aold<enter><enter><enter>")
	if got := strings.Join(s.m.session.Answers.RemoveUsers, " "); got != "spectro" {
		t.Errorf("to be removed: %q", got)
	}
}
