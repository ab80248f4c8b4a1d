package setup

import (
	"packhouse/printable"
)

// Shell quotes a string as one word for a shell.
func Shell(s string) string { return printable.Shell(s) }
