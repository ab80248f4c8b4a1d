package notification

import (
	"slices"
	"sync"
)

// queue holds the undelivered events of one endpoint, each as JSON without line breaks.
type queue interface {
	// add appends an event. It returns the number of old events that it dropped to make room.
	add(line []byte) (dropped int, err error)
	// head returns up to most of the oldest events, without removing them.
	head(most int) ([][]byte, error)
	// done removes the first n of the events that head returned last.
	done(n int) error
	len() int
	close() error
}

// memory is a queue that ends with the process.
type memory struct {
	mu    sync.Mutex
	lines [][]byte
	bytes int
	limit int // bytes
	gone  int // events that head returned last and that were dropped since
	taken int // number of events that head returned last
}

func newMemory(limit int) *memory { return &memory{limit: limit} }

func (m *memory) add(line []byte) (dropped int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lines, m.bytes = append(m.lines, line), m.bytes+len(line)
	for m.bytes > m.limit && len(m.lines) > 1 {
		m.bytes -= len(m.lines[0])
		m.lines[0] = nil
		m.lines = m.lines[1:]
		dropped++
	}
	m.gone = min(m.taken, m.gone+dropped)
	return dropped, nil
}

func (m *memory) head(most int) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taken, m.gone = min(most, len(m.lines)), 0
	return slices.Clone(m.lines[:m.taken]), nil
}

func (m *memory) done(n int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := max(0, n-m.gone)
	for _, line := range m.lines[:left] {
		m.bytes -= len(line)
	}
	clear(m.lines[:left])
	m.lines = m.lines[left:]
	m.taken, m.gone = 0, 0
	return nil
}

func (m *memory) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.lines)
}

func (m *memory) close() error { return nil }
