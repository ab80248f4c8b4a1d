//go:build !linux

package check

// look does nothing: this operating system is not supported.
func (*Machine) look() {}
