package tui

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	tea "github.com/charmbracelet/bubbletea"
	"golang.org/x/term"
)

// signalled is the cause of a context that a signal ended.
type signalled interface{ Signal() os.Signal }

// endedBy is the signal that ended a context; SIGINT where it was none.
func endedBy(ctx context.Context) syscall.Signal {
	var cause signalled
	if errors.As(context.Cause(ctx), &cause) {
		if sig, ok := cause.Signal().(syscall.Signal); ok {
			return sig
		}
	}
	return syscall.SIGINT
}

// signals are those that the screen answers to.
type signals struct {
	leave  chan os.Signal
	resize chan os.Signal
}

// listen begins to listen to signals: from here on none of them ends the process by itself, or is
// lost.
func listen() (s signals, stop func()) {
	s = signals{leave: make(chan os.Signal, 4), resize: make(chan os.Signal, 1)}
	signal.Notify(s.leave, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	if resizes := resizeSignals(); len(resizes) > 0 { // of no signals at all, Notify would make every signal
		signal.Notify(s.resize, resizes...)
	}
	return s, func() {
		signal.Stop(s.leave)
		signal.Stop(s.resize)
	}
}

// forward turns signals, the end of the context and the end of the terminal into messages, until
// the program has finished.
func (s signals) forward(ctx context.Context, program *tea.Program, gone, finished <-chan struct{}) {
	program.Send(tea.WindowSizeMsg{}) // to the library: it cuts what is too wide
	done := ctx.Done()
	seen := map[syscall.Signal]bool{}
	for {
		select {
		case <-finished:
			return
		case got := <-s.leave:
			if sig, ok := got.(syscall.Signal); ok {
				program.Send(leaveMsg{sig, seen[sig]})
				seen[sig] = true
			}
		case <-s.resize:
			program.Send(tea.WindowSizeMsg{})
		case <-gone:
			gone = nil
			program.Send(leaveMsg{signal: syscall.SIGHUP})
		case <-done: // the signal that ended the context, where it was one, arrives here as well, before or after
			done = nil
			program.Send(leaveMsg{signal: endedBy(ctx)})
		}
	}
}

// sizeOf returns a filter that replaces the size in each message about the window with its current
// size.
func sizeOf(terminal *os.File) func(tea.Model, tea.Msg) tea.Msg {
	return func(_ tea.Model, msg tea.Msg) tea.Msg {
		if _, ok := msg.(tea.WindowSizeMsg); !ok {
			return msg
		}
		width, height, err := term.GetSize(int(terminal.Fd()))
		if err != nil {
			return nil // the terminal is gone; what reads from it ends the program
		}
		return tea.WindowSizeMsg{Width: width, Height: height}
	}
}
