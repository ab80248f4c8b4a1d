// Package pattern compiles regular expressions when they are first used.
package pattern

import (
	"regexp"
	"sync"
)

// Lazy returns a function that returns expr as a compiled regular expression and panics if expr is
// invalid. It compiles expr in its first call. Package-level variables use it, so that a program
// does not compile every expression whenever it starts, for --version or a completion in a shell
// too.
func Lazy(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
