//go:build !unix

package tui

import "os"

// resizeSignals are none here: a new size comes the way that keys do.
func resizeSignals() []os.Signal { return nil }
