package machine

import (
	"errors"
	"net"

	"packhouse/finding"
	"packhouse/setup"
	"packhouse/setup/check"
)

// ResolverFailed reports whether a lookup failed for a reason other than the name not existing.
func ResolverFailed(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && !dns.IsNotFound
}

// NoResolver returns the finding for a failed name lookup.
func NoResolver(name string, err error) finding.Finding {
	cause := err.Error()
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		cause = dns.Err
	}
	return setup.Warn(check.CodeNoAnswer,
		name+" could not be looked up, because the DNS servers of this machine do not answer: "+cause,
		"correct /etc/resolv.conf, or the network to the servers that it names")
}
