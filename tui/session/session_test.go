package session_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/apply"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/machine/machinetest"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/session"
)

// server is a server that runs until Shutdown.
type server struct{ done chan struct{} }

func (s *server) Addr() string                   { return "127.0.0.1:5000" }
func (s *server) Done() <-chan struct{}          { return s.done }
func (s *server) Shutdown(context.Context) error { close(s.done); return nil }

// open returns a session that sets up dir for real. Only the server and its checks are replaced:
// the checks end with status.
func open(t *testing.T, dir string, status check.Status) *session.Session {
	t.Helper()
	m := machinetest.New(t, &machinetest.Host{})
	load := func(context.Context) (*installation.Installed, error) { return installation.Load(dir) }
	s := session.New(session.Options{
		Begin: func(ctx context.Context) (session.Beginning, error) {
			in, err := load(ctx)
			if err != nil {
				return session.Beginning{}, err
			}
			resolved, findings := answer.Resolve(ctx, m, in, answer.Input{Flags: answer.Values{
				"dir": {dir}, "storage-path": {filepath.Join(dir, "data")}, "addr": {":5443"},
			}})
			return session.Beginning{Machine: m, Installed: in, Resolved: resolved, Findings: findings}, nil
		},
		Plan: func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
			in, err := load(ctx)
			if err != nil {
				return nil, err
			}
			return plan.Make(ctx, m, in, resolved, plan.Options{HashCost: 4})
		},
		Apply: func(ctx context.Context, p *plan.Plan, progress func(verb, path string)) (*apply.Applied, error) {
			return apply.Apply(ctx, p, apply.Options{Progress: progress})
		},
		Reread: load,
		Rollback: func(ctx context.Context) (*plan.Plan, error) {
			in, err := load(ctx)
			if err != nil {
				return nil, err
			}
			return plan.Rollback(ctx, in)
		},
		Start: func(context.Context, *plan.Plan) (installation.Running, error) {
			return &server{make(chan struct{})}, nil
		},
		Prove: func(_ context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
			result := check.Result{ID: "round-trip", Title: "round trip", Status: status}
			report(check.Event{Total: 1, ID: result.ID, Title: result.Title, Result: &result})
			return check.Report{Results: []check.Result{result}}
		},
	})
	b, err := s.Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Begin(b)
	return s
}

// ask returns the question with an ID among those that are asked.
func ask(t *testing.T, s *session.Session, id string) *question.Question {
	t.Helper()
	asked := s.Asking(true)
	i := slices.IndexFunc(asked, func(q *question.Question) bool { return q.ID == id })
	if i < 0 {
		t.Fatalf("question %s is not asked", id)
	}
	return asked[i]
}

// applyPlan makes and applies the plan, starts the server and runs the checks.
func applyPlan(t *testing.T, s *session.Session) session.Next {
	t.Helper()
	var err error
	if s.Plan, err = s.Planner()(t.Context()); err != nil {
		t.Fatal(err)
	}
	result := s.Applier(func(string, string) {})(t.Context())
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	next := s.Accept(result)
	if next != session.Check {
		return next
	}
	running, err := s.Starter()(t.Context(), s.Plan)
	s.Started(running, err)
	if err != nil {
		t.Fatal(err)
	}
	s.Proved(s.Prover(func(check.Event) {})(t.Context()))
	return next
}

// TestSessionSetsUpAndChanges drives a session as the wizard does: two changes, of which the second
// one changes only what was answered.
func TestSessionSetsUpAndChanges(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "packhouse")
	s := open(t, dir, check.Passed)
	s.Open("")
	if err := s.Set(ask(t, s, "hostname"), "packs.example.org"); err != nil {
		t.Fatal(err)
	}
	if !s.Changed() {
		t.Error("an answer does not count as a change")
	}
	if preview := string(s.Preview()); !strings.Contains(preview, ":5443") {
		t.Errorf("preview without the address:\n%s", preview)
	}
	applyPlan(t, s)
	if s.Outcome.Stage != session.Proved || len(s.Generated) == 0 || s.Outcome.Card.Password != plan.PasswordShown {
		t.Fatalf("stage %d, %d generated passwords, card says %q", s.Outcome.Stage, len(s.Generated),
			s.Outcome.Card.Password)
	}
	if s.Changed() {
		t.Error("applied answers still count as changes")
	}
	first := s.Running

	users := append(slices.Clone(s.Answers.Users),
		setup.User{Name: "ci", Role: setup.Writer, Source: setup.Typed, Password: "a long password"})
	s.SetUsers(ask(t, s, "users"), users, nil)
	applyPlan(t, s)
	for _, change := range s.Plan.Changes {
		if strings.HasSuffix(change.Path, ".crt") && change.Kind != setup.Keep {
			t.Errorf("adding a user changes %s (%s)", change.Path, change.Kind)
		}
	}
	generated := slices.ContainsFunc(s.Generated, func(p plan.Password) bool { return p.User == "ci" })
	if generated || !slices.Contains(s.Given, "ci") {
		t.Errorf("the typed password of ci: generated %v, given %v", s.Generated, s.Given)
	}
	if s.Live() == first || s.Live() == nil {
		t.Errorf("the server that runs is %v", s.Live())
	}
	if outcome := s.Finish(); outcome.ExitCode() != 0 || len(outcome.Unseen) == 0 {
		t.Errorf("exit code %d, %d passwords not shown", outcome.ExitCode(), len(outcome.Unseen))
	}
}

// TestSessionRollsBack: after a failed check, a rollback of the first setup leaves nothing, and the
// answers are kept.
func TestSessionRollsBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "packhouse")
	s := open(t, dir, check.Failed)
	s.Open("")
	if s.CanRollBack() {
		t.Error("a rollback is offered before anything was written")
	}
	applyPlan(t, s)
	if code := s.Outcome.ExitCode(); code != 4 || !s.CanRollBack() {
		t.Fatalf("exit code %d, rollback offered: %v", code, s.CanRollBack())
	}
	running := s.Running
	s.RollBack()
	if next := applyPlan(t, s); next != session.Gone {
		t.Fatalf("next is %d, want Gone", next)
	}
	if !session.Ended(running) || s.Live() != nil {
		t.Error("the server of the removed installation still runs")
	}
	if len(s.Generated) > 0 || s.Outcome.Stage != session.Asked || len(s.Steps) == 0 || s.Answers.Addr != ":5443" {
		t.Errorf("%d passwords, stage %d, %d steps, address %q", len(s.Generated), s.Outcome.Stage, len(s.Steps),
			s.Answers.Addr)
	}
	if _, err := os.Stat(filepath.Join(dir, installation.ConfigFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the configuration: %v", err)
	}
}

// TestSessionKeepsUnsavedAnswers: answers survive a way back to the manager, and Pending returns
// them.
func TestSessionKeepsUnsavedAnswers(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "packhouse"), check.Passed)
	s.Open("")
	if _, pending := s.Pending(); pending {
		t.Error("answers are pending before the first one")
	}
	hostname := ask(t, s, "hostname")
	if err := s.Set(hostname, "packs.example.org"); err != nil {
		t.Fatal(err)
	}
	s.Keep()
	b, err := s.Detect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.Begin(b)
	if s.Changed() {
		t.Error("Begin keeps changed answers in force")
	}
	if answers, pending := s.Pending(); !pending || answers.Answers.Hostname != "packs.example.org" {
		t.Errorf("pending %v: %q", pending, answers.Answers.Hostname)
	}
	s.Resume("")
	if got := s.Get(hostname); got != "packs.example.org" {
		t.Errorf("host name %q after Resume", got)
	}
}

// TestSessionRefusesAnswers: an answer that cannot be stored changes nothing, and one that is
// refused has a finding that names the question.
func TestSessionRefusesAnswers(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "packhouse"), check.Passed)
	s.Open("")
	days := ask(t, s, "cert-days")
	before := s.Get(days)
	if err := s.Set(days, "many"); err == nil || s.Get(days) != before || s.Changed() {
		t.Errorf("error %v, answer %q, changed %v", err, s.Get(days), s.Changed())
	}
	hostname := ask(t, s, "hostname")
	if err := s.Set(hostname, "*.example.org"); err != nil {
		t.Fatal(err)
	}
	findings := s.Validate(t.Context(), hostname)
	if !finding.AnyRefused(findings) || strings.Contains(findings[0].Sentence(), "--") {
		t.Errorf("findings %v", findings)
	}
}
