package cli

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

// Board displays the progress of several transfers on a terminal: a line for each that runs, and
// above them a line for each that ended. Elsewhere it displays nothing.
type Board struct {
	out   io.Writer // nil: displays nothing
	width func() int
	total int

	mu      sync.Mutex
	ended   int
	drawn   int // lines below the cursor's column 0 that belong to running transfers
	running []*BoardLine
}

// BoardLine is the progress of one transfer.
type BoardLine struct {
	board *Board
	name  string
	text  string
}

// NewBoard returns a board for a number of transfers on stderr.
func NewBoard(a *App, total int) *Board {
	file := liveTerminal(a)
	if file == nil {
		return &Board{total: total}
	}
	return &Board{out: file, total: total, width: func() int {
		width, _, err := term.GetSize(int(file.Fd()))
		if err != nil {
			return 80
		}
		return width
	}}
}

// liveTerminal returns stderr if it is a terminal whose lines can be redrawn, otherwise nil.
func liveTerminal(a *App) *os.File {
	file, ok := a.Stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) || a.Getenv("TERM") == "dumb" {
		return nil
	}
	return file
}

// Start adds a line.
func (b *Board) Start(name string) *BoardLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := &BoardLine{board: b, name: name}
	b.running = append(b.running, line)
	b.draw("")
	return line
}

// draw redraws the lines of the running transfers, below a line that remains.
func (b *Board) draw(remaining string) {
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

// End removes the lines of running transfers.
func (b *Board) End() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running = nil
	b.draw("")
}

// Show returns a callback for the progress of one step. It redraws once per percent.
func (l *BoardLine) Show(word string) func(done, total int64) {
	return eachPercent(func(done, total, percent int64) {
		l.board.mu.Lock()
		defer l.board.mu.Unlock()
		l.text = fmt.Sprintf("%s %s of %s  %d%%", word, HumanBytes(done), HumanBytes(total), percent)
		l.board.draw("")
	})
}

// End replaces the line of a transfer with its result.
func (l *BoardLine) End(result string) {
	b := l.board
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended++
	b.running = slices.DeleteFunc(b.running, func(other *BoardLine) bool { return other == l })
	b.draw(fmt.Sprintf("[%d/%d] %s  %s", b.ended, b.total, l.name, result))
}

// Progress displays the progress of a transfer: an updated line on a terminal, otherwise nothing.
type Progress struct {
	w     io.Writer // nil: shows nothing
	shown string
}

// NewProgress returns a display of one transfer. Without a terminal it prints nothing.
func NewProgress(a *App) *Progress {
	if file := liveTerminal(a); file != nil {
		return &Progress{w: file}
	}
	return &Progress{}
}

// Show returns a callback for the progress of one step. It redraws once per percent.
func (p *Progress) Show(word string) func(done, total int64) {
	return eachPercent(func(done, total, percent int64) {
		if p.w == nil {
			return
		}
		p.shown = fmt.Sprintf("%s %s of %s  %d%%", word, HumanBytes(done), HumanBytes(total), percent)
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

// End ends the progress line before other output.
func (p *Progress) End() {
	if p.shown != "" {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
