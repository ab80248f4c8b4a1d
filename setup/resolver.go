package setup

import (
	"errors"
	"net"

	"packhouse/setup/check"
)

// resolverFailed reports whether a name could not be looked up, as opposed to a name that does not
// exist.
func resolverFailed(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && !dns.IsNotFound
}

// noResolver returns the finding of a name that could not be looked up.
func noResolver(name string, err error) Finding {
	cause := err.Error()
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		cause = dns.Err
	}
	return warned(check.CodeNoAnswer, name+" could not be looked up, because the DNS servers of this machine do not answer: "+cause,
		"correct /etc/resolv.conf, or the network to the servers that it names")
}
