package check

import (
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

// A server that no way leads to is not told to read its log, and what was asked for is not said again in the words of a library.
func TestUnreachableSaysWhere(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		cause  string
		remedy string
	}{
		{os.NewSyscallError("connect", syscall.EHOSTUNREACH), "dial tcp 192.0.2.99:5000: connect: no route to host", "the network in between"},
		{os.NewSyscallError("connect", syscall.ENETUNREACH), "dial tcp 192.0.2.99:5000: connect: network is unreachable", "the network in between"},
		{errors.New("malformed response"), "dial tcp 192.0.2.99:5000: malformed response", "log"},
	} {
		dial := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 99), Port: 5000}, Err: row.err}
		r := new(session).unreachable("192.0.2.99:5000", &url.Error{Op: "Get", URL: "https://192.0.2.99:5000/health", Err: dial})
		if r.Finding.Code != "port-unreachable" || r.Finding.What != row.cause || !strings.Contains(r.Finding.Remedy, row.remedy) {
			t.Errorf("%v: %+v", row.err, r)
		}
	}
}

// TestCertificateWithoutConfiguration verifies that a configuration that is not trusted does not count
// as one without TLS.
func TestCertificateWithoutConfiguration(t *testing.T) {
	target := Target{Machine: quietMachine()}
	r := find(t, Run(t.Context(), target, nil), "certificate")
	if r.Status != NotProven || strings.Contains(r.Seen, "TLS is off") {
		t.Errorf("%+v", r)
	}
}
