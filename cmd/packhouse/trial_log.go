package main

import (
	"io"
	"sync"
)

// trialLogLimit bounds in bytes what is kept of the log of a trial.
const trialLogLimit = 256 << 10

// trialLog keeps the log of a server on trial out of the words about the trial. It is released when somebody wants to read it: because the
// server stays, or because the trial failed.
type trialLog struct {
	mu   sync.Mutex
	to   io.Writer
	held []byte
	open bool
}

// Write implements io.Writer. It drops the oldest bytes beyond the limit.
func (l *trialLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		return l.to.Write(p)
	}
	l.held = append(l.held, p...)
	if over := len(l.held) - trialLogLimit; over > 0 {
		l.held = l.held[over:]
	}
	return len(p), nil
}

// release writes what was held, and from now on everything.
func (l *trialLog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.to.Write(l.held) // there is no place to report a log that cannot be written
	l.held, l.open = nil, true
}
