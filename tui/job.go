package tui

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

// PanicError reports a panic of the program. The terminal is restored before it is returned.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the message without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("draw the wizard: unexpected %v", e.Value) }

// panicMsg passes a panic to the goroutine that owns the terminal.
type panicMsg struct{ err *PanicError }

func caught(cause any) *PanicError { return &PanicError{Value: cause, Stack: debug.Stack()} }

// guard makes a command of a function; a panic in it becomes a message.
func guard(run func() tea.Msg) tea.Cmd {
	return func() (msg tea.Msg) {
		defer func() {
			if cause := recover(); cause != nil {
				msg = panicMsg{caught(cause)}
			}
		}()
		return run()
	}
}

// job is work in the background: it sends messages while it runs, and one when it is done. One job
// runs at a time.
type job struct {
	to     screen // receives the messages
	doing  string // shown beside the spinner once it takes long
	ctx    context.Context
	cancel context.CancelFunc
	events chan tea.Msg
	slow   bool
	probes bool // it runs the checks, whose requests are not counted
}

// jobMsg carries what a job sent.
type jobMsg struct {
	job *job
	msg tea.Msg
	end bool // the job has ended
}

// lastMsg carries the result of a job.
type lastMsg struct{ msg tea.Msg }

// slowAfter is how long a job may take before a spinner appears.
const slowAfter = 200 * time.Millisecond

// start runs work in a goroutine as the current job. It cancels an earlier job, whose further
// messages are ignored.
func (u *ui) start(to screen, doing string, work func(ctx context.Context, emit func(tea.Msg)) tea.Msg) tea.Cmd {
	u.cancelJob()
	j := &job{to: to, doing: doing, events: make(chan tea.Msg)}
	j.ctx, j.cancel = context.WithCancel(u.ctx)
	u.job = j
	emit := func(msg tea.Msg) {
		select {
		case j.events <- msg:
		case <-u.listening.Done():
		}
	}
	go func() {
		defer close(j.events)
		emit(lastMsg{guard(func() tea.Msg { return work(j.ctx, emit) })()})
	}()
	return tea.Batch(j.next(), u.after(slowAfter, slowMsg{j}))
}

// next waits for the next message of the job.
func (j *job) next() tea.Cmd {
	return guard(func() tea.Msg {
		msg, ok := <-j.events
		last, end := msg.(lastMsg)
		if end {
			msg = last.msg
		}
		return jobMsg{job: j, msg: msg, end: end || !ok}
	})
}

// cancelJob cancels the job and drains its messages, so that it does not wait for a receiver.
func (u *ui) cancelJob() {
	if u.job == nil {
		return
	}
	j := u.job
	u.job = nil
	j.cancel()
	go func() {
		for range j.events {
			continue
		}
	}()
}
