package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/answer"
	"packhouse/setup/check"
	"packhouse/setup/installation"
	"packhouse/setup/plan"
	"packhouse/setup/question"
	"packhouse/tui/session"
)

// TestSettingsJumps opens one step from the list of settings, changes it, and reviews just that.
func TestSettingsJumps(t *testing.T) {
	o := managed(fixtureOptions())
	var planned []question.Answers
	o.Plan = func(ctx context.Context, resolved answer.Resolved) (*plan.Plan, error) {
		planned = append(planned, resolved.Answers)
		return fixturePlan(setup.Update)(ctx, resolved)
	}
	for _, size := range [][2]int{{120, 36}, {80, 24}, {40, 12}} {
		planned = nil
		s := open(t, o, size[0], size[1])
		s.keys("<down><down><enter>")
		s.wants("Settings", "Choose what to change", "› Host name", "registry.example.com")
		s.keys("<down><down><enter>")
		s.wants("Where does the server listen?")
		s.keys("<ctrl+u>:5001<enter>")
		s.wants("Settings", "› TLS")
		s.keys("<up>")
		s.wants("changed: :5001")
		s.keys("<end>")
		s.wants("› Review and apply")
		s.keys("<enter>")
		s.wants("Review")
		if len(planned) != 1 || planned[0].Addr != ":5001" || planned[0].Hostname != "registry.example.com" {
			t.Errorf("%v: planned %+v", size, planned)
		}
		s.keys("<esc>")
		s.wants("Settings")
		s.keys("<home><enter><esc><esc>")
		s.wants("This installation")
	}
}

// withServer returns a copy of a state with another server: screens hold the state that they were
// given.
func withServer(s *installation.State, server installation.ServerState) *installation.State {
	changed := *s
	changed.Server = server
	return &changed
}

// TestManagerStartsTheServer starts a server with the first key, and stops it with two more.
func TestManagerStartsTheServer(t *testing.T) {
	o := managed(fixtureOptions())
	server, up := fixtureServer{make(chan struct{})}, false
	begin := o.Begin
	o.Begin = func(ctx context.Context) (session.Beginning, error) {
		b, err := begin(ctx)
		up = up && !session.Ended(server)
		b.State = withServer(b.State, installation.ServerState{Up: up, Here: up})
		return b, err
	}
	o.Start = func(context.Context, *plan.Plan) (installation.Running, error) { up = true; return server, nil }
	s := open(t, o, 80, 24)
	s.wants("not running", "› Start the server")
	s.keys("<enter>")
	s.wants("Serving https://registry.example.com:5000", "the server runs until ctrl+c")
	s.keys("<esc>")
	s.wants("This installation", "› Stop the server")
	s.keys("<enter>")
	s.wants("the server is stopped", "› Start the server")
	select {
	case <-server.done:
	default:
		t.Error("it still runs")
	}

	o.Start = func(context.Context, *plan.Plan) (installation.Running, error) {
		return nil, errors.New("listen: address in use")
	}
	s = open(t, o, 80, 24)
	s.keys("<enter>")
	s.wants("the server did not start: listen: address in use", "This installation")
}

// TestManagerStopsAnotherServer stops a server that another program started, and reports why it
// cannot.
func TestManagerStopsAnotherServer(t *testing.T) {
	for _, why := range []error{nil, errors.New("signal process 812: operation not permitted")} {
		o := managed(fixtureOptions())
		stopped := 0
		o.Stop = func(context.Context) error { stopped++; return why }
		s := open(t, o, 80, 24)
		s.keys("<end><up><enter>")
		if stopped != 1 {
			t.Errorf("stopped %d times", stopped)
		}
		if why == nil {
			s.wants("the server is stopped")
		} else {
			s.wants("not stopped: signal process 812: operation not permitted")
		}
	}
}

// TestManagerUninstalls leaves the program once the installation is gone, and stays with a reason
// while it is not.
func TestManagerUninstalls(t *testing.T) {
	dir := t.TempDir()
	o := managed(fixtureOptions())
	begin := o.Begin
	o.Begin = func(ctx context.Context) (session.Beginning, error) {
		b, err := begin(ctx)
		b.State = withServer(b.State, installation.ServerState{})
		return b, err
	}
	o.Uninstall = func() *exec.Cmd { return exec.Command("packhouse", "uninstall", "--dir", dir) }
	o.Reread = func(context.Context) (*installation.Installed, error) { return installation.Load(dir) }
	if err := os.WriteFile(filepath.Join(dir, installation.ConfigFile), []byte("version: 0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, o, 80, 24)
	var ran *exec.Cmd
	s.m.exec = func(command *exec.Cmd, then func(error) tea.Msg) tea.Cmd {
		ran = command
		fmt.Fprintln(command.Stderr, "error: nothing was changed")
		return func() tea.Msg { return then(errors.New("exit status 1")) }
	}
	s.m.options.Out = discard(t)
	s.keys("<end><enter>")
	s.wants("not uninstalled: nothing was changed", "This installation")
	s.m.exec = func(_ *exec.Cmd, then func(error) tea.Msg) tea.Cmd {
		if err := os.Remove(filepath.Join(dir, installation.ConfigFile)); err != nil {
			t.Error(err)
		}
		return func() tea.Msg { return then(nil) }
	}
	s.keys("<enter>")
	if !s.left || !s.m.session.Outcome.Removed || s.m.session.Outcome.ExitCode() != 0 {
		t.Errorf("left %v with %+v", s.left, s.m.session.Outcome)
	}
	if want := "packhouse uninstall --dir " + dir; strings.Join(ran.Args, " ") != want {
		t.Errorf("ran %q, want %q", ran.Args, want)
	}
	b, _ := begin(t.Context())
	b.State = withServer(b.State, installation.ServerState{Up: true})
	s = open(t, managedWith(o, b), 80, 24)
	s.keys("<end><enter>")
	s.wants("stop the server first")
}

func managedWith(o Options, b session.Beginning) Options {
	o.Begin = func(context.Context) (session.Beginning, error) { return b, nil }
	return o
}

func discard(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// manyChecks is a run of 16 checks, of which the second failed, the third is not proven and the
// fourth has a warning.
func manyChecks(report func(check.Event)) check.Report {
	var out check.Report
	for i := range 16 {
		r := check.Result{
			ID:     fmt.Sprint(i),
			Title:  fmt.Sprintf("check %d", i),
			Status: check.Passed,
			Seen:   "fine",
			Took:   time.Millisecond,
		}
		switch i {
		case 1:
			r.Status, r.Seen = check.Failed, "the name leads elsewhere"
			r.Finding = finding.Finding{Code: "name-elsewhere", What: "the DNS entry is old", Remedy: "correct the DNS entry"}
		case 2:
			r.Status, r.Seen, r.Finding.What = check.NotProven, "the password of ci is not known", "it was set earlier"
		case 3:
			r.Status, r.Seen, r.Finding.What = check.Warning, "the clock is not synchronized", "no NTP service runs"
		}
		report(check.Event{ID: r.ID, Title: r.Title, Index: i, Total: 16, Doing: "trying"})
		report(check.Event{ID: r.ID, Title: r.Title, Index: i, Total: 16, Result: &r})
		out.Results = append(out.Results, r)
	}
	return out
}

// TestFailedChecksStayVisible runs more checks than a window holds: what failed, warns or is not
// proven is on the screen, while they run and afterwards.
func TestFailedChecksStayVisible(t *testing.T) {
	for _, size := range [][2]int{{120, 36}, {80, 24}} {
		o := fixtureOptions()
		o.Prove = func(_ context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
			return manyChecks(report)
		}
		s := open(t, o, size[0], size[1])
		s.seen = func(frame string) {
			if s.m.place != checking || len(s.m.checks.rows) < 5 {
				return
			}
			for _, words := range []string{"the name leads elsewhere", "correct the DNS entry", "the password of ci is not known", "the clock is not synchronized"} {
				if !strings.Contains(frame, words) {
					t.Fatalf("%v: %q is not visible after %d checks:\n%s", size, words, len(s.m.checks.rows), frame)
				}
			}
		}
		s.keys(journeyTo("8-checks"))
		s.wants("13 of 16 checks passed, 1 failed, 1 with a warning, 1 not proven")
	}
}

// TestLeavingTheChecksSaysWhatStays offers to leave while the checks run, and says what that means.
func TestLeavingTheChecksSaysWhatStays(t *testing.T) {
	o := fixtureOptions()
	o.Prove = func(ctx context.Context, _ *plan.Plan, report func(check.Event)) check.Report {
		report(check.Event{ID: "a", Title: "round trip", Total: 2, Doing: "pushing"})
		<-ctx.Done()
		return check.Report{}
	}
	s := open(t, o, 80, 24)
	s.keys(journeyTo("7-review"))
	s.begin("<enter>", "round trip")
	s.wants("leave; what was written stays")
	s.keys("<esc>")
	s.wants("what was written stays")
	s.keys("<ctrl+c>")
	if !s.left || s.m.session.Outcome.Stage != session.Applied {
		t.Errorf("left %v at stage %d", s.left, s.m.session.Outcome.Stage)
	}
}
