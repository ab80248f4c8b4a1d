package check

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"packhouse/certgen"
)

// names is a resolver of what is in it. A name that maps to nothing has nobody to ask.
func names(entries map[string][]string) func(context.Context, string) ([]netip.Addr, error) {
	return func(_ context.Context, name string) ([]netip.Addr, error) {
		texts, ok := entries[name]
		switch {
		case !ok:
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		case len(texts) == 0:
			return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
		}
		var out []netip.Addr
		for _, text := range texts {
			out = append(out, netip.MustParseAddr(text))
		}
		return out, nil
	}
}

func TestProveName(t *testing.T) {
	const host = "registry.example.com"
	// What answers at any address that is no one's: this server, another one, or nobody.
	const ours, other = "ours", "other"
	rows := []struct {
		name    string
		url     string // empty: of host
		listens string // http.addr; empty: everywhere
		further []string
		entries map[string][]string
		own     []string // empty: 192.0.2.17 and 2001:db8::17
		answers string
		status  Status
		code    string
		seen    string
		cause   string
		remedy  string
		advice  string
	}{
		{name: "this machine", entries: map[string][]string{host: {"192.0.2.17"}}, status: Passed, seen: "registry.example.com is 192.0.2.17, of this machine"},
		{name: "written as IPv4 in IPv6", entries: map[string][]string{host: {"::ffff:192.0.2.17"}}, status: Passed, seen: "is 192.0.2.17"},
		{name: "does not resolve", status: Warning, code: "name-unresolved", seen: "does not resolve from here", cause: "is neither in the DNS", remedy: "add it to DNS"},
		{name: "resolves to nothing", entries: map[string][]string{host: {}}, status: NotProven, code: "name-no-answer", seen: "could not be looked up", cause: "server misbehaving", remedy: "/etc/resolv.conf"},
		{name: "a further name does not resolve", further: []string{"registry", "localhost", "*.example.com"}, entries: map[string][]string{host: {"192.0.2.17"}}, status: Passed, seen: "of this machine; not proven: registry does not resolve from here"},
		{name: "a further name is elsewhere", further: []string{"packs.example.com"}, entries: map[string][]string{host: {"192.0.2.17"}, "packs.example.com": {"10.0.0.9"}}, status: Warning, code: "name-elsewhere", seen: "packs.example.com is 10.0.0.9; registry.example.com is 192.0.2.17", cause: "nothing answered", remedy: "correct the DNS entry"},
		{name: "elsewhere in the same network", entries: map[string][]string{host: {"10.0.0.9"}}, status: Warning, code: "name-elsewhere", seen: "is 10.0.0.9", cause: "not an address of this machine, and nothing answered", remedy: "load balancer"},
		{name: "elsewhere, where another server is", entries: map[string][]string{host: {"203.0.113.9"}}, answers: other, status: Warning, code: "name-elsewhere", cause: "another server answers", remedy: "correct the DNS entry"},
		{name: "through a load balancer", entries: map[string][]string{host: {"203.0.113.9"}}, answers: ours, status: Passed, seen: "registry.example.com is 203.0.113.9, which leads to this server"},
		{name: "behind NAT", own: []string{"10.0.0.17"}, entries: map[string][]string{host: {"203.0.113.9"}}, status: NotProven, code: "name-nat", seen: "is 203.0.113.9", cause: "NAT or a load balancer may lead it here", remedy: "packhouse check --url https://registry.example.com"},
		{name: "behind a carrier's NAT", own: []string{"100.64.0.17"}, entries: map[string][]string{host: {"203.0.113.9"}}, status: NotProven, code: "name-nat", cause: "NAT", remedy: "--url"},
		{name: "public, and this machine has a public address of its own", own: []string{"198.51.100.17"}, entries: map[string][]string{host: {"203.0.113.9"}}, status: Warning, code: "name-elsewhere", cause: "not an address of this machine", remedy: "correct the DNS entry"},
		{name: "loopback only", entries: map[string][]string{host: {"127.0.1.1", "::1"}}, status: NotProven, code: "name-loopback", seen: "is 127.0.1.1, ::1 here", cause: "/etc/hosts", remedy: "getent hosts registry.example.com"},
		{name: "loopback beside the address", entries: map[string][]string{host: {"127.0.1.1", "192.0.2.17"}}, status: Passed, seen: "is 192.0.2.17"},
		{name: "IPv6 only, the server IPv4 only", listens: "192.0.2.17:443", entries: map[string][]string{host: {"2001:db8::17"}}, status: Warning, code: "name-family", seen: "is 2001:db8::17", cause: "IPv6 only, and the server listens at 192.0.2.17:443, which is IPv4 only", remedy: "http.addr with no host"},
		{name: "IPv4 only, the server IPv6 only", listens: "[2001:db8::17]:443", entries: map[string][]string{host: {"192.0.2.17"}}, status: Warning, code: "name-family", cause: "IPv4 only", remedy: "IPv6 address"},
		{name: "another address of this machine", listens: "192.0.2.17:443", own: []string{"192.0.2.17", "192.0.2.18"}, entries: map[string][]string{host: {"192.0.2.18"}}, status: Warning, code: "name-address", seen: "is 192.0.2.18", cause: "listens at 192.0.2.17:443 only", remedy: "http.addr"},
		{name: "both, the server IPv4 only", listens: "192.0.2.17:443", entries: map[string][]string{host: {"192.0.2.17", "2001:db8::17"}}, status: Passed, advice: "2001:db8::17 too, where the server does not listen"},
		{name: "the unspecified IPv6 address takes both", listens: "[::]:443", entries: map[string][]string{host: {"192.0.2.17"}}, status: Passed},
		{name: "the unspecified IPv4 address takes both, too", listens: "0.0.0.0:443", entries: map[string][]string{host: {"2001:db8::17"}}, status: Passed},
		{name: "one name for several servers", entries: map[string][]string{host: {"192.0.2.17", "192.0.2.18"}}, status: Passed, advice: "192.0.2.18 too, not of this machine"},
		{name: "behind a proxy of this machine", listens: "127.0.0.1:5000", status: NotProven, seen: "listens at 127.0.0.1:5000, for this machine only"},
		{name: "for this machine only", url: "https://localhost:5000", listens: "localhost:5000", status: Passed, seen: "itself only"},
		{name: "an address for a URL", url: "https://192.0.2.17", status: Passed, seen: "192.0.2.17 is 192.0.2.17"},
		{name: "an address of another machine for a URL", url: "https://10.0.0.9", status: Warning, code: "name-elsewhere", cause: "not an address", remedy: "correct"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			target, _ := installation(t, "")
			if row.url != "" {
				target.URL = row.url
			}
			if row.listens != "" {
				target.Config.HTTP.Addr = row.listens
			}
			target.Names = certgen.Names{DNS: append([]string{host}, row.further...)}
			target.Machine.LookupHost = names(row.entries)
			if row.own != nil {
				target.Machine.Addresses = func() ([]netip.Addr, error) {
					var out []netip.Addr
					for _, text := range row.own {
						out = append(out, netip.MustParseAddr(text))
					}
					return out, nil
				}
			}
			elsewhere, _ := installation(t, "another nonce")
			dials := map[string]string{ours: target.Dial, other: elsewhere.Dial}
			if address, ok := dials[row.answers]; ok {
				target.Machine.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, address)
				}
			}
			s := newSession(target)
			r := s.prove(t.Context(), proof{id: "name", prove: proveName})
			told(t, r, row.status, row.code, row.seen, row.cause, row.remedy)
			if !strings.Contains(r.Advice, row.advice) {
				t.Errorf("advice %q, want %q", r.Advice, row.advice)
			}
		})
	}
}

// told compares a result with what is to be said. A finding has a cause and a remedy, and nothing else has.
func told(t *testing.T, r Result, status Status, code, seen, cause, remedy string) {
	t.Helper()
	if r.Status != status || r.Finding.Code != code || !strings.Contains(r.Seen, seen) || !strings.Contains(r.Finding.What, cause) || !strings.Contains(r.Finding.Remedy, remedy) {
		t.Errorf("%+v\nwant %s %s: %q, %q, %q", r, status, code, seen, cause, remedy)
	}
	if explained := code != ""; explained != (r.Finding.What != "") || explained != (r.Finding.Remedy != "") || r.Seen == "" {
		t.Errorf("%+v\nhas no cause or remedy, or one too many", r)
	}
	if r.Took <= 0 {
		t.Errorf("%s took %v", r.ID, r.Took)
	}
}

// TestNameBehindWhatEndsTLS: without TLS, or behind what ends it, the server's nonce tells.
func TestNameBehindWhatEndsTLS(t *testing.T) {
	target, _ := installation(t, "")
	elsewhere, _ := installation(t, "")
	target.Instance = "nonce-1"
	target.Machine.LookupHost = names(map[string][]string{"registry.example.com": {"203.0.113.9"}})
	target.Machine.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, elsewhere.Dial) // another certificate, the same nonce
	}
	if r := newSession(target).prove(t.Context(), proof{prove: proveName}); r.Status != Passed {
		t.Errorf("%+v, want passed", r)
	}
}

// TestRunStopsLookups: whoever leaves does not wait for a resolver that does not answer.
func TestRunStopsLookups(t *testing.T) {
	target, _ := installation(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	target.Machine.LookupHost = func(ctx context.Context, _ string) ([]netip.Addr, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	report := Run(ctx, target, nil)
	if len(report.Results) != len(list) {
		t.Errorf("%d checks have an end, want %d", len(report.Results), len(list))
	}
	// The firewall check looks the name up, too, and may be the first to do so.
	r := find(t, report, "name")
	if r.Status != NotProven || r.Finding.Code != "name-no-answer" && r.Seen != "stopped before this check" {
		t.Errorf("%+v, want not proven", r)
	}
}

func TestNamesWithoutAddresses(t *testing.T) {
	target, _ := installation(t, "")
	target.Machine.Addresses = func() ([]netip.Addr, error) { return nil, errors.New("netlink is shut") }
	r := newSession(target).prove(t.Context(), proof{prove: proveName})
	if r.Status != NotProven || !strings.Contains(r.Seen, "netlink is shut") {
		t.Errorf("%+v", r)
	}
}
