//go:build !linux

package echo

// Off leaves the terminal as it is: reading a password switches the echo off.
func Off(int) (restore func()) { return func() {} }
