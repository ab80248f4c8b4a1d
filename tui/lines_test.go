package tui

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/lines"
	"packhouse/tui/session"
)

// typeLines answers with lines, and returns what was written, and how it ended.
func typeLines(t *testing.T, o Options, typed string) (string, session.Outcome, error) {
	t.Helper()
	var out bytes.Buffer
	outcome, err := lines.Run(t.Context(), lines.Options{Options: o.Options, In: strings.NewReader(typed), Out: &out})
	if strings.Contains(out.String(), secretWord) {
		t.Fatalf("a secret was written:\n%s", out.String())
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Fatalf("something acts on the terminal: %q", out.String())
	}
	return out.String(), outcome, err
}

func wantsLines(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, line := range texts {
		before, after, found := strings.Cut(out, line)
		if !found {
			t.Fatalf("%q does not follow in\n%s", line, out)
		}
		_, out = before, after
	}
}

const allEnters = "\n\n\n\n\n\n\n\n"

func TestLinesFromFirstToLast(t *testing.T) {
	out, outcome, err := typeLines(
		t, fixtureOptions(), "\n\n:22\n:5001\n\nadd ci writer\n"+secretWord+"\n"+secretWord+"\n\n\n\nwrite\nno\n\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	wantsLines(
		t, out, "Question 1 of 7: Host name. By which name do clients reach the registry?",
		"Default: registry.example.com, detected on this machine. Your answer: ", "Question 2 of 7",
		"Warning: registry.example.com resolves to 198.51.100.4", "Question 3 of 7",
		"Error: port 22 is taken by sshd (pid 812); choose another port", "Question 4 of 7", "1. Private CA",
		"Question 5 of 7", "ci, writer, password typed", "Question 7 of 7",
		"These changes will be made in /etc/packhouse", "create auth/htpasswd-basic", "Enter write to apply these changes",
		"round trip: passed", "4 of 5 checks passed, 1 not proven", "Passwords were generated. Show them now?",
		"The server runs at 127.0.0.1:5000",
	)
	if outcome.Stage != session.Proved || outcome.ExitCode() != 0 || outcome.Resolved.Answers.Addr != ":5001" {
		t.Errorf("stage %d, exit code %d, address %q", outcome.Stage, outcome.ExitCode(), outcome.Resolved.Answers.Addr)
	}
	if len(outcome.Unseen) != 1 {
		t.Errorf("%d passwords are to be kept for later, want 1", len(outcome.Unseen))
	}
	if strings.Contains(out, generatedWord) {
		t.Error("a generated password was written unasked")
	}
}

// TestLinesEnd: wherever the input ends before the plan was confirmed, nothing is written.
func TestLinesEnd(t *testing.T) {
	whole := allEnters + "nonsense\nmore\n" + allEnters + "\n\n\n"
	for cut := range len(whole) {
		o := fixtureOptions()
		o.Apply = func(context.Context, *plan.Plan, func(verb, path string)) (*apply.Applied, error) {
			t.Fatal("something was written")
			return nil, nil
		}
		_, outcome, err := typeLines(t, o, whole[:cut])
		if !errors.Is(err, lines.ErrInputEnded) || outcome.Stage != session.Asked || outcome.ExitCode() != 1 {
			t.Fatalf("after %d bytes: stage %d, exit code %d, %v", cut, outcome.Stage, outcome.ExitCode(), err)
		}
	}
}

func TestLinesGoBack(t *testing.T) {
	out, _, err := typeLines(t, fixtureOptions(), "back\n?\n\nback\nother.example.com\n\n\n\n\n\n\nback\nback\nquit")
	if !errors.Is(err, lines.ErrInputEnded) {
		t.Fatal(err)
	}
	wantsLines(
		t, out, "This is the first question.", "Clients will see this", "Question 2 of 7", "Question 1 of 7",
		"Question 7 of 7", "back to change answers", "Question 7 of 7", "Question 6 of 7",
	)
}

// TestLinesAndScreenAgree: the same answers give the same plan, whichever way they were given.
func TestLinesAndScreenAgree(t *testing.T) {
	answers := make([]question.Answers, 0, 2)
	o := fixtureOptions()
	planned := o.Plan
	o.Plan = func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
		answers = append(answers, resolved.Answers)
		return planned(ctx, resolved)
	}
	if _, _, err := typeLines(t, o, "packs.example.org\n-registry\n\n:5001\n3\n/tmp/a.crt\n/tmp/a.key\nrole spectro writer\npassword spectro\n\n\n\n/srv/packs\nquit\n"); err != nil {
		t.Fatal(err)
	}
	s := open(t, o, 100, 40)
	s.keys("<ctrl+u>packs.example.org<enter><down> <enter><enter><ctrl+u>:5001<enter>")
	s.keys("<down><down><enter>/tmp/a.crt<enter>/tmp/a.key<enter>")
	s.keys("<down>e<tab><down><tab><up><enter>")
	s.keys("<enter><enter><ctrl+u>/srv/packs<enter>")
	if len(answers) != 2 {
		t.Fatalf("%d plans, want 2:\n%s", len(answers), s.text())
	}
	for i := range answers { // who typed a password and who did not is told apart elsewhere
		for j := range answers[i].Users {
			answers[i].Users[j].Password = ""
		}
	}
	if !reflect.DeepEqual(answers[0], answers[1]) {
		t.Errorf("by lines:\n%+v\non the screen:\n%+v", answers[0], answers[1])
	}
}

func TestLinesManage(t *testing.T) {
	o := managed(fixtureOptions())
	o.Plan = fixturePlan(setup.Update)
	o.Start = func(context.Context, *plan.Plan) (installation.Running, error) { return nil, nil }
	out, outcome, err := typeLines(t, o, "9\n1\nquit\n6\nback\n2\nback\n1\nwrite\nno\nquit\n")
	if err != nil {
		t.Fatal(err)
	}
	wantsLines(
		t, out, "The installation in /etc/packhouse", "server, ok: up at :5000",
		"certificate, attention: 20 days left", "1. Renew the certificate", `"9" is not one of the choices`,
		"These changes will be made", "Nothing was written.", "as it was before the last setup",
		"Question 1 of 1: Users", "These changes will be made", "4 of 5 checks passed",
	)
	if outcome.ExitCode() != 0 {
		t.Errorf("exit code %d", outcome.ExitCode())
	}
}

func TestLinesGoBackAfterAFailedCheck(t *testing.T) {
	o := fixtureOptions()
	o.Rollback = managed(o).Rollback
	o.Reread = func(context.Context) (*installation.Installed, error) { return &installation.Installed{}, nil }
	o.Prove = func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
		return fixtureReport(ctx, report, check.Failed)
	}
	out, outcome, err := typeLines(t, o, allEnters[:7]+"write\nyes\nwrite\n")
	if err != nil {
		t.Fatal(err)
	}
	wantsLines(
		t, out, "cause: the disk is full", "Roll back to the previous files?",
		"as it was before the last setup", "Everything is as it was before.",
	)
	if outcome.ExitCode() != 1 {
		t.Errorf("exit code %d, want 1", outcome.ExitCode())
	}
}
