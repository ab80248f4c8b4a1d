package check

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestAddressMoved(t *testing.T) {
	parse := func(texts ...string) (out []netip.Addr) {
		for _, text := range texts {
			out = append(out, netip.MustParseAddr(text))
		}
		return out
	}
	for _, tc := range []struct {
		name     string
		had, has []netip.Addr
		says     string // empty: no finding
	}{
		{"as before", parse("192.0.2.17"), parse("127.0.0.1", "192.0.2.17"), ""},
		{"one more", parse("192.0.2.17"), parse("192.0.2.17", "192.0.2.18"), ""},
		{"another", parse("192.0.2.17"), parse("127.0.0.1", "192.0.2.50", "2001:db8::1"), "--san 192.0.2.50 --no-san 192.0.2.17"},
		{"one less", parse("192.0.2.17", "2001:db8::1"), parse("192.0.2.17"), "cert rotate --no-san 2001:db8::1"},
		{"never recorded", nil, parse("192.0.2.50"), ""},
		{"not known now", parse("192.0.2.17"), nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := slices.Clone(tc.had)
			moved := AddressMoved(tc.had, tc.has)
			if (moved != nil) != (tc.says != "") || moved != nil && !strings.Contains(moved.Remedy, tc.says) {
				t.Errorf("%+v, want %q", moved, tc.says)
			}
			if !slices.Equal(before, tc.had) {
				t.Error("the argument changed")
			}
		})
	}
}

// TestUnreachableCauses tells apart what looks alike.
func TestUnreachableCauses(t *testing.T) {
	for _, tc := range []struct {
		name, instance string
		err            error
		code, cause    string
	}{
		{"no such name", "", &net.DNSError{Err: "no such host", Name: "a.example", IsNotFound: true}, CodeUnresolved, "does not resolve"},
		{"dead resolver", "", &net.DNSError{Err: "i/o timeout", Name: "a.example", IsTimeout: true}, CodeNoAnswer, "do not answer"},
		{"failing resolver", "", &net.DNSError{Err: "server misbehaving", Name: "a.example", IsTemporary: true}, CodeNoAnswer, "server misbehaving"},
		{"no server", "", syscall.ECONNREFUSED, "port-refused", "nothing listens"},
		{"a server that runs", "nonce", syscall.ECONNREFUSED, "port-rejected", "a firewall rule rejects"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSession(Target{Instance: tc.instance})
			if r := s.unreachable("192.0.2.1:443", tc.err); r.Finding.Code != tc.code || !strings.Contains(r.Finding.What, tc.cause) {
				t.Errorf("%+v, want %s", r, tc.code)
			}
		})
	}
}
