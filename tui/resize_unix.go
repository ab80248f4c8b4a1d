//go:build unix

package tui

import (
	"io"
	"os"
	"syscall"
)

// resizeSignals are sent when the window has another size.
func resizeSignals() []os.Signal { return []os.Signal{syscall.SIGWINCH} }

// canvas hides from the library that it draws on a terminal. Otherwise it would query the size and
// handle the signals itself, after the first frame and in no fixed order, and would quit if there
// is no size because the connection dropped.
func canvas(terminal *os.File) io.Writer { return struct{ io.Writer }{terminal} }
