package main

import (
	"io"
	"sync"
)

// trialLogLimit is the maximum number of bytes kept of a trial's log.
const trialLogLimit = 256 << 10

// trialLog holds back the log of a server on trial, to keep it out of the messages about the trial.
// It is released if the server is kept or the trial failed.
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

// release writes the held log, and from now on everything.
func (l *trialLog) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.to.Write(l.held) // there is no place to report a failed log write
	l.held, l.open = nil, true
}
