//go:build unix

package tui

import (
	"context"
	"errors"
	"io"
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

// TestEndedBy: the context says by which signal it was ended, so that nobody has to wait for that
// signal to find out.
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

// TestATerminalThatIsGoneHasEnded: whatever tells so, an end or an error, the library is not to
// give up by itself.
func TestATerminalThatIsGoneHasEnded(t *testing.T) {
	for _, side := range []string{"theirs", "ours"} {
		terminal, line, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer terminal.Close()
		defer line.Close()
		if side == "ours" {
			terminal, line = line, terminal
		}
		if err := terminal.Close(); err != nil {
			t.Fatal(err)
		}
		input := &hangup{File: line, gone: make(chan struct{})}
		for range 2 {
			if n, err := input.Read(make([]byte, 8)); n != 0 || err != io.EOF { //nolint:errorlint // the library may compare it like this
				t.Errorf("%s: read %d bytes and %v", side, n, err)
			}
			<-input.gone
		}
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
