package connection

import (
	"net"
	"net/netip"
	"strings"
)

// HostName returns the name or address in a Host header, in lower case, without port, brackets and
// trailing dot.
func HostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// LocalName reports whether host, as returned by hostName, always means this machine: a loopback
// address or a name below localhost (RFC 6761, section 6.3).
func LocalName(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}
