// Package noquery keeps the terminal library from questioning the terminal before main has begun.
//
// When it is imported, bubbletea v1 writes an escape sequence that asks for the background colour, and waits up to five seconds for the
// answer. That happens in every command, in "version" as well as in the wizard, and on a terminal that does not answer (a serial console,
// expect, "docker run -t") it costs the five seconds each time. The library leaves the question out where the variable CI is set.
//
// So this package sets CI while packages are being initialised, and [Restore] takes it away again; main calls Restore before anything else.
// It imports nothing but os: packages are initialised in the order of their import paths as soon as what they import is ready, and with os
// as its only need this one is always ready before the library, whose path comes earlier but which needs packages that come later. A test
// on a pseudo terminal holds that.
package noquery

import "os"

// variable is what the terminal library looks at.
const variable = "CI"

// ours tells that the variable was not there and was set here.
var ours = hush()

// hush runs while packages are initialised: there is no later moment that is early enough.
func hush() bool {
	if os.Getenv(variable) != "" {
		return false
	}
	return os.Setenv(variable, "1") == nil
}

// Restore gives the environment back as the process got it. It is to be called first thing in main, and does nothing the second time.
func Restore() {
	if !ours {
		return
	}
	ours = false
	_ = os.Unsetenv(variable) // cannot fail: the name is valid
}
