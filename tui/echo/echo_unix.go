//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package echo

import "golang.org/x/sys/unix"

// Off has a terminal no longer show what is typed, and returns what undoes that. Reading a password switches the echo off by itself, but only
// then: who types ahead, or pastes twice, would see what the terminal took in before. Anything but a terminal is left alone.
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
