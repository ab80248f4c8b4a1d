package tui

import (
	"context"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// TestAJobIsOverWithItsResult: who answers to what a job came to, the moment it is on the screen, is not told to wait for the job.
func TestAJobIsOverWithItsResult(t *testing.T) {
	m := newModel(t.Context(), Options{Now: time.Now})
	m.after = func(time.Duration, tea.Msg) tea.Cmd { return nil }
	m.start("looking", func(_ context.Context, emit func(tea.Msg)) tea.Msg {
		emit(writingMsg{})
		return begunMsg{err: context.Canceled}
	})
	j := m.job
	m.heard(j.next()().(jobMsg))
	if m.job != j {
		t.Error("the job is over with the first that it says")
	}
	m.heard(j.next()().(jobMsg))
	if m.notice == "" || m.job != nil {
		t.Errorf("after the result, %q: a job runs: %v", m.notice, m.job != nil)
	}
	m.start("looking", func(context.Context, func(tea.Msg)) tea.Msg { return plannedMsg{err: context.Canceled} })
	m.leaving = 15
	if cmd := m.heard(m.job.next()().(jobMsg)); cmd == nil || m.outcome.Signal != 15 {
		t.Errorf("who was to leave after the job stays: %v", m.outcome.Signal)
	}
}
