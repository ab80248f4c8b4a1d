//go:build !linux

package packcmd

// limitRendering does nothing: the parent process ends this one after a while, and GOMEMLIMIT makes
// it slow before it needs all memory.
func limitRendering() error { return nil }
