package question

import (
	"net"

	"packhouse/setup/installation"
)

// listensAt reports whether the configuration uses the port of an address.
func listensAt(in *installation.Installed, addr string) bool {
	if in == nil || in.Config == nil {
		return false
	}
	_, ours, err := net.SplitHostPort(in.Config.HTTP.Addr)
	_, asked, err2 := net.SplitHostPort(addr)
	return err == nil && err2 == nil && ours == asked
}
