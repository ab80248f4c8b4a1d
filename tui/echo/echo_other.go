//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package echo

// Off leaves the terminal as it is: reading a password switches the echo off.
func Off(int) (restore func()) { return func() {} }
