package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, as docs/command-line.md lists them.
const (
	ExitOK          = 0
	ExitFailed      = 1   // nothing changed, or rolled back
	ExitUsage       = 2   // wrong usage or answers missing
	ExitPending     = 3   // --dry-run found changes
	ExitFindings    = 4   // a check failed, a step after a change failed, or something needs attention
	ExitHangup      = 129 // left by SIGHUP
	ExitInterrupted = 130 // left by SIGINT
	ExitTerminated  = 143 // left by SIGTERM
)

// ExitError ends the program with a code. If err is nil, nothing is printed, because the command
// has reported everything.
type ExitError struct {
	Code int
	err  error
}

func (e *ExitError) Error() string {
	if e.err == nil {
		return "exit"
	}
	return e.err.Error()
}

func (e *ExitError) Unwrap() error { return e.err }

// ExitWith returns err with an exit code.
func ExitWith(code int, err error) error { return &ExitError{Code: code, err: err} }

// Silent returns an error with an exit code that prints nothing.
func Silent(code int) error { return &ExitError{Code: code} }

// UsageError returns an error with ExitUsage.
func UsageError(err error) error { return &ExitError{Code: ExitUsage, err: err} }

// signalError is the cause of a context that a signal canceled.
type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return e.signal.String() }

// Signal returns the signal to the terminal interface, which may receive its own copy later.
func (e *signalError) Signal() os.Signal { return e.signal }

// WithSignals returns a context that is canceled at the first SIGINT, SIGTERM or SIGHUP, with a
// *signalError as its cause. A second one ends the process at once. While a.Hangup is set, SIGHUP
// calls it instead.
func WithSignals(ctx context.Context, a *App) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if hangup := a.Hangup.Load(); s == syscall.SIGHUP && hangup != nil {
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
		return ExitHangup, true
	case syscall.SIGTERM:
		return ExitTerminated, true
	default:
		return ExitInterrupted, true
	}
}
