package cli

import (
	"io"
	"sync"
)

// trialLogLimit is the maximum number of bytes kept of a trial's log.
const trialLogLimit = 256 << 10

// TrialLog holds back the log of a server on trial, to keep it out of the messages about the trial.
// It is released if the server is kept or the trial failed.
type TrialLog struct {
	mu   sync.Mutex
	To   io.Writer
	held []byte
	open bool
}

// Write implements io.Writer. It drops the oldest bytes beyond the limit.
func (l *TrialLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		return l.To.Write(p)
	}
	l.held = append(l.held, p...)
	if over := len(l.held) - trialLogLimit; over > 0 {
		l.held = l.held[over:]
	}
	return len(p), nil
}

// Release writes the held log, and from now on everything.
func (l *TrialLog) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.To.Write(l.held) // there is no place to report a failed log write
	l.held, l.open = nil, true
}
