//go:build unix

package tui

import (
	"os"
	"syscall"
)

// resizeSignals are sent when the window has another size.
func resizeSignals() []os.Signal { return []os.Signal{syscall.SIGWINCH} }
