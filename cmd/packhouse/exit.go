package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, as docs/command-line.md lists them.
const (
	exitOK          = 0
	exitFailed      = 1   // nothing changed, or rolled back
	exitUsage       = 2   // wrong usage or answers missing
	exitPending     = 3   // --dry-run found changes
	exitFindings    = 4   // a check failed, a step after a change failed, or something needs attention
	exitHangup      = 129 // left by SIGHUP
	exitInterrupted = 130 // left by SIGINT
	exitTerminated  = 143 // left by SIGTERM
)

// exitError ends the program with a code. If err is nil, nothing is printed, because the command
// has reported everything.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "exit"
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitWith returns err with an exit code.
func exitWith(code int, err error) error { return &exitError{code: code, err: err} }

// silent returns an error with an exit code that prints nothing.
func silent(code int) error { return &exitError{code: code} }

// usageError returns an error with exitUsage.
func usageError(err error) error { return &exitError{code: exitUsage, err: err} }

// signalError is the cause of a context that a signal canceled.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// Signal returns the signal to the terminal interface, which may receive its own copy later.
func (e *signalError) Signal() os.Signal { return e.signal }

// withSignals returns a context that is canceled at the first SIGINT, SIGTERM or SIGHUP, with a
// *signalError as its cause. A second one ends the process at once. While a.hangup is set, SIGHUP
// calls it instead.
func withSignals(ctx context.Context, a *app) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if hangup := a.hangup.Load(); s == syscall.SIGHUP && hangup != nil {
					(*hangup)()
					continue
				}
				cancel(&signalError{s})
				signal.Stop(signals)
				return
			case <-done:
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}

// signalCode returns the exit code for a context that a signal canceled, and whether one did.
func signalCode(ctx context.Context) (int, bool) {
	var s *signalError
	if ctx.Err() == nil || !errors.As(context.Cause(ctx), &s) {
		return 0, false
	}
	switch s.signal {
	case syscall.SIGHUP:
		return exitHangup, true
	case syscall.SIGTERM:
		return exitTerminated, true
	default:
		return exitInterrupted, true
	}
}
