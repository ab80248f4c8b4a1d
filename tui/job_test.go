package tui

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// TestAServerThatComesUpLateIsStopped: who stopped waiting for it, and leaves, does not leave it to
// itself.
func TestAServerThatComesUpLateIsStopped(t *testing.T) {
	o := fixtureOptions()
	wait, server := make(chan struct{}), fixtureServer{make(chan struct{})}
	o.Start = func(context.Context, *plan.Plan) (installation.Running, error) {
		<-wait
		return server, nil
	}
	s := open(t, o, 80, 24)
	s.keys(enters(reviewAfter))
	s.begin("<enter>", "starting the server")
	s.keys("<esc>")
	s.wants("stopped; what was written stays. r runs the checks again")
	close(wait)
	for s.m.session.Live() == nil {
		runtime.Gosched()
	}
	s.keys("<ctrl+c>")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := s.m.session.Close(null); err != nil {
		t.Fatal(err)
	}
	select {
	case <-server.done:
	default:
		t.Error("the server still runs")
	}
}

// TestAJobIsOverWithItsResult: who answers to what a job came to, the moment it is on the screen,
// is not told to wait for the job.
func TestAJobIsOverWithItsResult(t *testing.T) {
	m := newModel(t.Context(), fixtureOptions().fill())
	m.after = func(time.Duration, tea.Msg) tea.Cmd { return nil }
	m.start(m.screens[beginning], "looking", func(_ context.Context, emit func(tea.Msg)) tea.Msg {
		emit(begunMsg{err: context.Canceled})
		return begunMsg{err: context.Canceled}
	})
	j := m.job
	m.received(j.next()().(jobMsg))
	if m.job != j {
		t.Error("the job is over with the first that it says")
	}
	m.received(j.next()().(jobMsg))
	if m.notice == "" || m.job != nil {
		t.Errorf("after the result, %q: a job runs: %v", m.notice, m.job != nil)
	}
	m.start(m.review, "looking", func(context.Context, func(tea.Msg)) tea.Msg { return plannedMsg{err: context.Canceled} })
	m.leaving = 15
	if cmd := m.received(m.job.next()().(jobMsg)); cmd == nil || m.session.Outcome.Signal != 15 {
		t.Errorf("who was to leave after the job stays: %v", m.session.Outcome.Signal)
	}
}
