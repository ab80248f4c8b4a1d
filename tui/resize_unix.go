//go:build unix

package tui

import (
	"io"
	"os"
	"syscall"
)

// resizeSignals are sent when the window has another size.
func resizeSignals() []os.Signal { return []os.Signal{syscall.SIGWINCH} }

// canvas is a terminal that the library draws on without knowing it for one. It would look at its size and listen to its signals by itself, later
// than the first frame and in no certain order, and end the program at once where there is no size because the line has dropped.
func canvas(terminal *os.File) io.Writer { return struct{ io.Writer }{terminal} }
