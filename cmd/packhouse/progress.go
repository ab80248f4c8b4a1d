package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/term"

	"packhouse/printable"
)

// board displays the progress of several transfers on a terminal: a line for each that runs, and
// above them a line for each that ended. Elsewhere it displays nothing.
type board struct {
	out   io.Writer // nil: displays nothing
	width func() int
	total int

	mu      sync.Mutex
	ended   int
	drawn   int // lines below the cursor's column 0 that belong to running transfers
	running []*boardLine
}

// boardLine is the progress of one transfer.
type boardLine struct {
	board *board
	name  string
	text  string
}

// newBoard returns a board for a number of transfers on stderr.
func (a *app) newBoard(total int) *board {
	file := a.liveTerminal()
	if file == nil {
		return &board{total: total}
	}
	return &board{out: file, total: total, width: func() int {
		width, _, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 80
		}
		return width
	}}
}

// liveTerminal returns stderr if it is a terminal whose lines can be redrawn, otherwise nil.
func (a *app) liveTerminal() *os.File {
	file, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || a.getenv("TERM") == "dumb" {
		return nil
	}
	return file
}

// start adds a line.
func (b *board) start(name string) *boardLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := &boardLine{board: b, name: name}
	b.running = append(b.running, line)
	b.draw("")
	return line
}

// draw redraws the lines of the running transfers, below a line that remains.
func (b *board) draw(remaining string) {
	if b.out == nil {
		return
	}
	var frame strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&frame, "\x1b[%dA", b.drawn)
	}
	frame.WriteString("\r\x1b[J")
	width := max(b.width()-1, 20)
	write := func(text string) {
		runes := []rune(printable.Line(text))
		frame.WriteString(string(runes[:min(len(runes), width)]) + "\r\n")
	}
	if remaining != "" {
		write(remaining)
	}
	for _, line := range b.running {
		write("  " + line.name + "  " + line.text)
	}
	b.drawn = len(b.running)
	_, _ = io.WriteString(b.out, frame.String())
}

// end removes the lines of running transfers.
func (b *board) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = nil
	b.draw("")
}

// show returns a callback for the progress of one step. It redraws once per percent.
func (l *boardLine) show(word string) func(done, total int64) {
	return eachPercent(func(done, total, percent int64) {
		l.board.mu.Lock()
		defer l.board.mu.Unlock()
		l.text = fmt.Sprintf("%s %s of %s  %d%%", word, humanBytes(done), humanBytes(total), percent)
		l.board.draw("")
	})
}

// end replaces the line of a transfer with its result.
func (l *boardLine) end(result string) {
	b := l.board
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended++
	b.running = slices.DeleteFunc(b.running, func(other *boardLine) bool { return other == l })
	b.draw(fmt.Sprintf("[%d/%d] %s  %s", b.ended, b.total, l.name, result))
}

// progress displays the progress of a transfer: an updated line on a terminal, otherwise nothing.
type progress struct {
	w     io.Writer // nil: shows nothing
	shown string
}

func (a *app) newProgress() *progress {
	if file := a.liveTerminal(); file != nil {
		return &progress{w: file}
	}
	return &progress{}
}

// show returns a callback for the progress of one step. It redraws once per percent.
func (p *progress) show(word string) func(done, total int64) {
	return eachPercent(func(done, total, percent int64) {
		if p.w == nil {
			return
		}
		p.shown = fmt.Sprintf("%s %s of %s  %d%%", word, humanBytes(done), humanBytes(total), percent)
		fmt.Fprintf(p.w, "\r%s\x1b[K", p.shown)
	})
}

// eachPercent returns a callback that calls show when the percentage has changed.
func eachPercent(show func(done, total, percent int64)) func(done, total int64) {
	last := int64(-1)
	return func(done, total int64) {
		if total <= 0 {
			return
		}
		done = min(done, total)
		if percent := done * 100 / total; percent != last {
			last = percent
			show(done, total, percent)
		}
	}
}

// end ends the progress line before other output.
func (p *progress) end() {
	if p.shown != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
