// The benchmark is a module of its own: it needs programs to compare with, not
// the packages of the registry.
module packhouse/test/bench

go 1.26.0

require (
	github.com/creack/pty v1.1.24
	github.com/hinshun/vt10x v0.0.0-20220301184237-5011da428d02
	golang.org/x/crypto v0.59.0
)
