// Package noquery keeps the terminal library from querying the terminal before main starts.
//
// On import, bubbletea v1 writes an escape sequence that queries the background colour, and waits
// up to five seconds for the response. That affects every command, "version" as well as the wizard,
// and on a terminal that does not respond (a serial console, expect, "docker run -t") it takes the
// full five seconds each time. The library does not query if the variable CI is set.
//
// So this package sets CI during package initialization, and [Restore] removes it; main calls
// Restore first. The package imports only os: packages are initialized in the order of their import
// paths once their imports are, and with os as its only import this one is always initialized
// before the library, whose path sorts earlier but which imports packages that sort later. A test
// on a pseudo-terminal verifies that.
package noquery

import "os"

// variable disables the query of the terminal library.
const variable = "CI"

// ours reports whether this package set the variable.
var ours = hush()

// hush runs during package initialization: any later would be too late.
func hush() bool {
	if os.Getenv(variable) != "" {
		return false
	}
	return os.Setenv(variable, "1") == nil
}

// Restore restores the environment. Call it first in main; further calls do nothing.
func Restore() {
	if !ours {
		return
	}
	ours = false
	_ = os.Unsetenv(variable) // cannot fail: the name is valid
}
