package check

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"testing"
)

// TestFamilies verifies that the firewall is asked about the families that clients use.
func TestFamilies(t *testing.T) {
	both := listening{four: true, six: true}
	for _, tc := range []struct {
		name      string
		resolves  []string // nil: the name does not resolve
		listens   listening
		four, six bool
	}{
		{"IPv4 only", []string{"192.0.2.1"}, both, true, false},
		{"IPv6 only", []string{"2001:db8::1"}, both, false, true},
		{"both", []string{"192.0.2.1", "2001:db8::1"}, both, true, true},
		{"not known", nil, both, true, true},
		{"for this machine only", []string{"127.0.1.1"}, both, true, true},
		{"a server of one family", []string{"192.0.2.1", "2001:db8::1"}, listening{four: true}, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &session{base: &url.URL{Scheme: "https", Host: "registry.example.com"}}
			s.Machine = &Machine{LookupHost: func(context.Context, string) (out []netip.Addr, err error) {
				for _, text := range tc.resolves {
					out = append(out, netip.MustParseAddr(text))
				}
				if out == nil {
					err = &net.DNSError{Err: "no such host", IsNotFound: true}
				}
				return out, err
			}}
			if four, six := s.families(t.Context(), tc.listens); four != tc.four || six != tc.six {
				t.Errorf("IPv4 %v, IPv6 %v", four, six)
			}
		})
	}
}
