//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package echo

import "golang.org/x/sys/unix"

// Off disables the echo of a terminal and returns a function that restores it. Reading a password
// disables the echo too, but only from then on: text typed ahead, or pasted twice, would be
// visible. Off does nothing if fd is not a terminal.
func Off(fd int) (restore func()) {
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return func() {}
	}
	quiet := *before
	quiet.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, setTermios, &quiet); err != nil {
		return func() {}
	}
	return func() { _ = unix.IoctlSetTermios(fd, setTermios, before) }
}
