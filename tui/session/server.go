package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"packhouse/setup/installation"
	"packhouse/setup/plan"
)

// Ended reports whether a server has ended.
func Ended(running installation.Running) bool {
	select {
	case <-running.Done():
		return true
	default:
		return false
	}
}

// Server is the server in this process.
type Server struct {
	Running installation.Running // nil: there is none

	start   func(ctx context.Context, planned *plan.Plan) (installation.Running, error)
	stop    func(ctx context.Context) error
	started atomic.Pointer[installation.Running] // the last server that started, even if its start was cancelled
}

// Starter returns the function that makes a server use a plan. Until it returns, the end of its
// context cancels the start; afterwards the server runs until Shutdown.
func (s *Server) Starter() func(ctx context.Context, planned *plan.Plan) (installation.Running, error) {
	if s.Running != nil && Ended(s.Running) {
		s.Running = nil
	}
	before, start := s.Running, s.start
	return func(ctx context.Context, planned *plan.Plan) (installation.Running, error) {
		life, cancel := context.WithCancel(context.WithoutCancel(ctx))
		release := context.AfterFunc(ctx, cancel)
		running, err := start(life, planned)
		if running != nil {
			s.started.Store(&running)
		}
		if !release() && running != nil && running != before { // cancelled meanwhile: nothing waits for the server
			return running, ctx.Err()
		}
		return running, err
	}
}

// Started records the result of starting a server. It reports whether a server started that did not
// run in this process before.
func (s *Server) Started(running installation.Running, err error) bool {
	before := s.Running
	s.Running = running
	if err != nil {
		if running == nil && before != nil && !Ended(before) {
			s.Running = before // it keeps its last good state
		}
		return false
	}
	return running != nil && running != before
}

// Stopper returns the function that stops the server in this process, or that of another program.
func (s *Server) Stopper(here bool) func(ctx context.Context) error {
	if !here {
		return s.stop
	}
	running := s.Running
	return func(ctx context.Context) error {
		if running == nil {
			return nil
		}
		return running.Shutdown(ctx)
	}
}

// Stopped forgets a server that has ended.
func (s *Server) Stopped() {
	if s.Running != nil && Ended(s.Running) {
		s.Running = nil
	}
}

// Live returns the server that runs in this process, even one whose start was cancelled, or nil.
func (s *Server) Live() installation.Running {
	running := s.Running
	if late := s.started.Load(); running == nil && late != nil {
		running = *late
	}
	if running == nil || Ended(running) {
		return nil
	}
	return running
}

// stopWithin bounds how long running requests may take after the session has ended.
const stopWithin = 10 * time.Second

// Close stops the server in this process, if there is one, and says so on out. SIGINT and SIGTERM
// end the wait for running requests.
func (s *Server) Close(out io.Writer) error {
	running := s.Live()
	if running == nil {
		return nil
	}
	fmt.Fprintln(out, "stopping the server; running requests may finish")
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, stopWithin)
	defer cancel()
	err := running.Shutdown(ctx)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return fmt.Errorf("stop the server: %w", err)
}
