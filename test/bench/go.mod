// The benchmark is a module of its own: it needs programs to compare with, not
// the packages of the registry.
module packhouse/test/bench

go 1.26.0

require golang.org/x/crypto v0.58.0
