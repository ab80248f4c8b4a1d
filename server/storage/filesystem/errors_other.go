//go:build !linux

package filesystem

// systemDeviceErrors are further errors of a failing device.
var systemDeviceErrors []error
