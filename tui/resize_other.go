//go:build !unix

package tui

import (
	"io"
	"os"
)

// resizeSignals are none here: a new size comes the way that keys do.
func resizeSignals() []os.Signal { return nil }

// canvas is what the library draws on. Here it has to know that it is a terminal, to have it understand what it is sent.
func canvas(terminal *os.File) io.Writer { return terminal }
