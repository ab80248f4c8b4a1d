// Package logview keeps the last lines that the program logged, so that they are shown inside the terminal's screen and not torn across it.
package logview

import (
	"bytes"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// maxLine is the number of bytes of a line that are kept: one request with an absurd address must not fill the memory or the screen.
const maxLine = 2048

// Ring is an io.Writer that keeps the last lines written to it. It may be written to and read from at the same time; the zero value keeps
// nothing, see [New].
type Ring struct {
	mu      sync.Mutex
	lines   []string
	next    int // where the next line goes once the ring is full
	written int
	partial []byte
	wake    chan struct{}
}

// New makes a ring of so many lines.
func New(lines int) *Ring {
	return &Ring{lines: make([]string, 0, max(lines, 1)), wake: make(chan struct{}, 1)}
}

// Write takes log output in; a line counts once its end has come. It never fails.
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

// Snapshot returns what is kept, the oldest line first, and how many lines ever came, those that are gone included.
func (r *Ring) Snapshot() (lines []string, written int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(append(make([]string, 0, len(r.lines)), r.lines[r.next:]...), r.lines[:r.next]...), r.written
}

// Wake hands out a value some time after something was written.
func (r *Ring) Wake() <-chan struct{} { return r.wake }

// clean takes out what would act on a terminal instead of being shown by it: what a client sends ends up in the log.
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
