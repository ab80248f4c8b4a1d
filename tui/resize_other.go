//go:build !unix

package tui

import (
	"io"
	"os"
)

// resizeSignals are none here: a new size comes the way that keys do.
func resizeSignals() []os.Signal { return nil }

// canvas returns the writer that the library draws on. Here it must be a terminal, because the
// library enables escape sequences on it.
func canvas(terminal *os.File) io.Writer { return terminal }
