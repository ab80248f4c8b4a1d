// Package logview keeps the last log lines of the program, to display them inside the terminal's
// screen instead of corrupting it.
package logview

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// maxLine is the maximum number of bytes kept of a line: a request with a huge address must not
// fill the memory or the screen.
const maxLine = 2048

// Ring is an io.Writer that keeps the last lines written to it. It is safe for concurrent use.
// Create one with [New]; the zero value keeps nothing.
type Ring struct {
	mu      sync.Mutex
	lines   []string
	next    int // index for the next line once the ring is full
	written int
	partial []byte
	wake    chan struct{}
}

// New returns a ring for a number of lines.
func New(lines int) *Ring {
	return &Ring{lines: make([]string, 0, max(lines, 1)), wake: make(chan struct{}, 1)}
}

// Write adds log output; a line is stored once it is complete. It never fails.
func (r *Ring) Write(text []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := text
	for {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		r.partial = append(r.partial, line[:min(len(line), max(maxLine-len(r.partial), 0))]...)
		if !found {
			break
		}
		r.add(clean(string(r.partial)))
		r.partial = r.partial[:0]
		rest = after
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return len(text), nil
}

func (r *Ring) add(line string) {
	if cap(r.lines) == 0 {
		return
	}
	r.written++
	if len(r.lines) < cap(r.lines) {
		r.lines = append(r.lines, line)
		return
	}
	r.lines[r.next] = line
	r.next = (r.next + 1) % len(r.lines)
}

// Snapshot returns the stored lines, oldest first, and the total number of lines ever written.
func (r *Ring) Snapshot() (lines []string, written int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append(make([]string, 0, len(r.lines)), r.lines[r.next:]...), r.lines[:r.next]...), r.written
}

// Wake returns a channel that receives a value after something was written.
func (r *Ring) Wake() <-chan struct{} { return r.wake }

// clean removes terminal control sequences: the log contains text from clients.
func clean(line string) string {
	line = strings.ToValidUTF8(line, string(utf8.RuneError))
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return utf8.RuneError
		}
		return r
	}, line)
}
