package tui

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/machine"
	"packhouse/setup/plan"
	"packhouse/setup/question"
)

// advised are options whose checks pass, one of them with something worth doing.
func advised() Options {
	o := fixtureOptions()
	o.Prove = func(_ context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
		result := check.Result{
			ID: "bucket", Title: "bucket", Status: check.Passed, Seen: "every right was tried",
			Advice: "a lifecycle rule for the bucket:\n{\"Rules\":[{\"ID\":\"abort\",\n  \"Status\":\"Enabled\"}]}",
		}
		report(check.Event{Total: 1, ID: result.ID, Title: result.Title, Result: &result})
		return check.Report{Results: []check.Result{result}}
	}
	return o
}

// TestAdviceIsTold: what is worth doing though nothing is wrong, whichever way one is asked.
func TestAdviceIsTold(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {40, 20}} {
		s := open(t, advised(), size[0], size[1])
		s.keys(journeyTo("8-checks"))
		s.wants("lifecycle rule", `{"Rules":[{"ID":"abort",`, `  "Status":"Enabled"}]}`)
	}
	out, _, err := typeLines(t, advised(), allEnters[:7]+"write\nno\n\n")
	if err != nil {
		t.Fatal(err)
	}
	wantsLines(t, out, "bucket: passed", "advice: a lifecycle rule", `"Status":"Enabled"}]}`)
}

// TestCardTellsWhereThePasswordIs: also after a second change in the same sitting, whose plan knows
// nothing of the first one's passwords.
func TestCardTellsWhereThePasswordIs(t *testing.T) {
	sitting := func(t *testing.T, users string) *display {
		t.Helper()
		o := fixtureOptions()
		first := true
		o.Plan = func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
			p, err := fixturePlan(setup.Create)(ctx, resolved)
			if !first || users != "" {
				p.Passwords = nil
			}
			first = false
			return p, err
		}
		o.Card = func(ctx context.Context, planned *plan.Plan) plan.Card {
			planned.Dir = t.TempDir()
			return plan.Handoff(ctx, nil, planned)
		}
		s := open(t, o, 120, 40)
		s.keys(strings.Repeat("<enter>", 4) + users + strings.Repeat("<enter>", 5))
		s.wants("checks passed")
		return s
	}
	again := func(s *display) {
		s.keys("<esc>")
		for range 5 {
			if s.m.place == checking {
				break
			}
			s.keys("<enter>")
		}
		s.wants("checks passed")
	}

	s := sitting(t, "")
	again(s)
	if got := s.m.session.Outcome.Card.Password; got != plan.PasswordShown {
		t.Errorf("generated before the second change: %q", got)
	}
	s.keys("<enter>")
	s.wants("p shows it")

	s = sitting(t, "")
	s.m.session.Answers.Users[0].Source, s.m.session.Answers.Users[0].Password = setup.Typed, "typed afterwards"
	again(s)
	again(s)
	if got := s.m.session.Outcome.Card.Password; got != plan.PasswordGiven || len(s.m.session.Generated) > 0 {
		t.Errorf("typed over a generated one: %q, and %d generated ones are offered", got, len(s.m.session.Generated))
	}

	s = sitting(t, "")
	s.m.session.Generated, s.m.session.Given = nil, nil // as in another sitting
	again(s)
	if got := s.m.session.Outcome.Card.Password; got != plan.PasswordAsItWas {
		t.Errorf("of a sitting before: %q", got)
	}
}

// TestLinesDoNotRepeatThemselves: after a mistake there is the mistake and the question's last
// line, not the whole list again.
func TestLinesDoNotRepeatThemselves(t *testing.T) {
	out, _, _ := typeLines(t, fixtureOptions(), "\n\n\n9\n4\n\nremove nobody\nadd ci owner\nadd x\n\n\n\n\nquit\n")
	if n := strings.Count(out, "1. Private CA"); n != 1 {
		t.Errorf("the choices were listed %d times, want once:\n%s", n, out)
	}
	wantsLines(
		t, out, "1. Private CA", "Default: 1, Private CA. Your answer: ", "Error: 9 is not one of the choices", "Default:",
		"Error: Let's Encrypt cannot be chosen here: this machine has no public address",
	)
	if n := strings.Count(out, "spectro, reader"); n != 2 {
		t.Errorf("the users were listed %d times, want when asked and after the change:\n%s", n, out)
	}
}

// TestRenewalIsClosedForAReason: where setup does not make the certificate, the manager says who
// does.
func TestRenewalIsClosedForAReason(t *testing.T) {
	for mode, says := range map[setup.TLSMode]string{
		setup.LetsEncrypt: "the server orders and renews it",
		setup.Off:         "TLS is off",
		setup.Files:       "this is your own certificate",
		setup.PrivateCA:   "Repair issues a new certificate",
	} {
		o := managed(fixtureOptions())
		b, _ := o.Begin(t.Context())
		b.State.TLS, b.State.Certificate = mode, nil
		s := open(t, o, 200, 50)
		s.wants(says)
		s.keys("<enter>")
		if s.m.place != managing {
			t.Errorf("%s: the renewal began", mode)
		}
	}
}

// TestRefusalsNameQuestions: who is asked reads no flags.
func TestRefusalsNameQuestions(t *testing.T) {
	o := fixtureOptions()
	o.Apply = func(context.Context, *plan.Plan, func(verb, path string)) (*apply.Applied, error) {
		return nil, &finding.Error{
			Findings: []finding.Finding{
				{
					Subject: finding.Subject{Flag: "--dir"},
					What:    "another command (packhouse, pid 812) is changing " + filepath.Join("/etc", "packhouse"),
					Remedy:  "wait for it",
				},
			},
		}
	}
	s := open(t, o, 120, 36)
	s.keys(journeyTo("8-checks"))
	s.wants("another command (packhouse, pid 812) is changing", "The installation is as it was before")
	s.wantsNot("--dir")
}

// TestSuggestionsFollow: what is offered depends on the answers as they are, and not as they were
// at the beginning.
func TestSuggestionsFollow(t *testing.T) {
	o := fixtureOptions()
	public := o.Steps[2].Questions[1]
	public.Suggest = func(_ *machine.Machine, a *question.Answers) []string { return []string{"https://" + a.Hostname} }
	s := open(t, o, 120, 36)
	s.keys("<ctrl+u>other.example.com<enter><enter><enter><down><enter>")
	s.wants("› for instance https://other.example.com")
	s.keys("<right>")
	if got := s.m.session.Answers.PublicURL; got != "https://other.example.com" {
		t.Errorf("taken: %q", got)
	}
}

// TestStuckStepIsMarked: a step whose answer is refused has no tick, wherever one goes from it.
func TestStuckStepIsMarked(t *testing.T) {
	s := open(t, fixtureOptions(), 100, 30)
	s.keys("<ctrl+u>*.example.com<enter>")
	s.wants("● Host name")
	s.keys("<ctrl+u>a.example.com<enter><enter><enter><ctrl+u>:22<enter>")
	s.wants("port 22 is taken")
	s.keys("<esc>")
	s.wants("✓ Host name", "✗ Address")
}

// TestLeavingIsHeldWhileWriting: the end of a line is reported in several ways at once, and none of
// them is somebody who insists.
func TestLeavingIsHeldWhileWriting(t *testing.T) {
	o := fixtureOptions()
	o.Apply = func(ctx context.Context, _ *plan.Plan, progress func(verb, path string)) (*apply.Applied, error) {
		progress("write", "certs/tls.crt")
		<-ctx.Done()
		<-t.Context().Done() // putting back takes longer than anybody's patience
		return nil, ctx.Err()
	}
	s := open(t, o, 80, 24)
	s.keys(journeyTo("7-review"))
	s.begin("<enter>", "write certs/tls.crt")
	s.send(leaveMsg{signal: syscall.SIGHUP})
	s.send(leaveMsg{signal: syscall.SIGHUP})
	s.send(leaveMsg{signal: syscall.SIGTERM})
	if s.left {
		t.Fatal("the writing was cut off")
	}
	s.wants("stopping and undoing what was written")
	s.send(leaveMsg{signal: syscall.SIGTERM, again: true})
	if code := s.m.session.Outcome.ExitCode(); !s.left || code != 143 {
		t.Errorf("somebody insists: left %v with %d", s.left, code)
	}
}

// TestManagerKeepsAnswers: going back to the state of the installation loses no answer, until
// somebody looks again or writes.
func TestManagerKeepsAnswers(t *testing.T) {
	o := managed(fixtureOptions())
	o.Plan = fixturePlan(setup.Update)
	s := open(t, o, 100, 34)
	s.keys("<down><down><enter><enter><ctrl+u>other.example.com<enter>")
	s.wants("Settings", "changed: other.example.com", "› Names")
	s.keys("<esc>")
	s.wants("This installation", "continue with your unsaved changes; r discards them")
	if got := s.m.session.Answers.Hostname; got != "registry.example.com" {
		t.Errorf("another job would be done for %q", got)
	}
	s.keys("<enter><enter>")
	s.wants("› other.example.com")
	s.keys("<esc><esc>r<enter><enter>")
	s.wants("› registry.example.com")

	out, _, err := typeLines(
		t, managed(fixtureOptions()),
		"3\n1\nother.example.com\nback\nback\n3\n1\nback\nagain\n3\nall\nback\nquit\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	wantsLines(
		t, out, "continue with your unsaved changes", "Host name: changed: other.example.com",
		"Default: other.example.com", "choose what to change", "Default: registry.example.com",
	)
}
