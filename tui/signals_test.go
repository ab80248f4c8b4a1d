//go:build unix

package tui

import (
	"context"
	"errors"
	"syscall"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/creack/pty"
)

// TestSignalsAreHeard from the moment on that somebody listens.
func TestSignalsAreHeard(t *testing.T) {
	s, stop := listen()
	defer stop()
	if err := errors.Join(syscall.Kill(syscall.Getpid(), syscall.SIGWINCH), syscall.Kill(syscall.Getpid(), syscall.SIGHUP)); err != nil {
		t.Fatal(err)
	}
	<-s.resize
	if got := <-s.leave; got != syscall.SIGHUP {
		t.Errorf("heard %v", got)
	}
}

// TestEndedBy: the context says by which signal it was ended, so that nobody has to wait for that signal to find out.
func TestEndedBy(t *testing.T) {
	for _, tc := range []struct {
		cause error
		want  syscall.Signal
	}{{nil, syscall.SIGINT}, {errors.New("something else"), syscall.SIGINT}, {terminated{}, syscall.SIGTERM}} {
		outer, cancel := context.WithCancelCause(t.Context())
		ctx, end := context.WithCancel(outer)
		cancel(tc.cause)
		if got := endedBy(ctx); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.cause, got, tc.want)
		}
		end()
	}
}

// TestSizeIsTheOneByThen: a message that was overtaken does not tell an old size.
func TestSizeIsTheOneByThen(t *testing.T) {
	terminal, line, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	defer line.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Cols: 100, Rows: 30}); err != nil {
		t.Fatal(err)
	}
	filter := sizeOf(line)
	if got := filter(nil, tea.WindowSizeMsg{Width: 80, Height: 24}); got != (tea.WindowSizeMsg{Width: 100, Height: 30}) {
		t.Errorf("the size is %v", got)
	}
	if got := filter(nil, logMsg{}); got != (logMsg{}) {
		t.Errorf("another message became %v", got)
	}
	_ = line.Close()
	if got := filter(nil, tea.WindowSizeMsg{Width: 80, Height: 24}); got != nil {
		t.Errorf("without a terminal the size is %v", got)
	}
}
