package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"packhouse/certgen"
)

// lookPatience is the timeout for anything but the server: resolvers, clocks, firewalls.
const lookPatience = 2 * time.Second

// resolved is the result for one name.
type resolved struct {
	Result
	host    string
	primary bool // the name in the URL
}

// proveName reports whether each name that clients use resolves to this machine, according to the
// machine's and the server's addresses, or by which server responds there.
func proveName(ctx context.Context, s *session) Result {
	switch {
	case s.base == nil:
		return notProven("no URL of the server is known")
	case s.Machine == nil || s.Machine.LookupHost == nil || s.Machine.Addresses == nil:
		return notProven("names were not looked up")
	}
	l := s.listens()
	host := s.base.Hostname()
	switch {
	case l.socket:
		return notProven("the server listens at a socket of this machine: what names lead to it is not seen from here")
	case isLocal(host):
		return passed("%s is this machine, for itself only", host)
	case l.loopback:
		return notProven("the server listens at %s, for this machine only: names must lead to the proxy in front of it", l.text)
	}
	own, err := s.Machine.Addresses()
	if err != nil {
		return notProven("%v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.within(lookPatience))
	defer cancel()
	hosts := s.hosts()
	all := make([]resolved, len(hosts))
	var wait sync.WaitGroup
	for i, host := range hosts {
		wait.Go(func() {
			all[i] = resolved{s.judgeName(ctx, host, own, l, i == 0), host, i == 0}
		})
	}
	wait.Wait()
	return summed(all)
}

// hosts returns the names to look up, the URL's first. It skips addresses, except one in the URL.
func (s *session) hosts() []string {
	hosts := []string{s.base.Hostname()}
	for _, name := range s.Names.DNS {
		if !slices.Contains(hosts, name) && !isLocal(name) && !strings.HasPrefix(name, "*.") {
			hosts = append(hosts, name)
		}
	}
	return hosts
}

func isLocal(host string) bool {
	host = strings.TrimSuffix(host, ".")
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && addr.Unmap().IsLoopback()
}

// summed combines the results of all names. Results of additional names are less severe: they are
// in the certificate for convenience.
func summed(all []resolved) Result {
	r := all[0].Result
	var open []string
	for _, other := range all[1:] {
		switch {
		case other.Status == Warning && r.Status != Warning:
			other.Seen += "; " + r.Seen
			r = other.Result
		case other.Status != Passed:
			open = append(open, other.Seen)
		case other.Advice != "" && r.Advice == "":
			r.Advice = other.Advice
		}
	}
	if len(open) > 0 {
		r.Seen += "; not proven: " + strings.Join(open, "; ")
	}
	return r
}

// judgeName checks one name.
func (s *session) judgeName(ctx context.Context, host string, own []netip.Addr, l listening, primary bool) Result {
	addrs, err := s.resolve(ctx, host)
	if err != nil {
		return unresolved(host, err, primary)
	}
	var here, foreign, loopback []netip.Addr
	for _, a := range addrs {
		switch {
		case a.IsLoopback():
			loopback = append(loopback, a)
		case slices.Contains(own, a):
			here = append(here, a)
		default:
			foreign = append(foreign, a)
		}
	}
	if len(here)+len(foreign) == 0 {
		return unproven(CodeLoopback, fmt.Sprintf("%s is %s here", host, listed(loopback)),
			"this machine resolves the name to itself, probably through /etc/hosts: what other machines resolve is not visible from here",
			"look it up on another machine: getent hosts "+host)
	}
	heard := slices.ContainsFunc(here, l.hears)
	switch {
	case heard:
		r := passed("%s is %s, of this machine", host, listed(here))
		if deaf := slices.DeleteFunc(slices.Clone(here), l.hears); len(deaf) > 0 {
			r.Advice = fmt.Sprintf("%s is %s too, where the server does not listen (%s): some clients try that first", host, listed(deaf), l.text)
		} else if len(foreign) > 0 {
			r.Advice = fmt.Sprintf("%s is %s too, not of this machine: right where several servers have one name", host, listed(foreign))
		}
		return r
	case len(here) > 0:
		return unheard(host, here, l)
	}
	return s.checkForeign(ctx, host, foreign, own)
}

// resolve looks up a name. It returns an address unchanged.
func (s *session) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap().WithZone("")}, nil
	}
	addrs, err := s.Machine.LookupHost(ctx, host)
	out := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		if a = a.Unmap().WithZone(""); !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	if err == nil && len(out) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return out, err
}

func unresolved(host string, err error, primary bool) Result {
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		return unproven(CodeNoAnswer, host+" could not be looked up", "who resolves names for this machine does not answer: "+brief(err), "see /etc/resolv.conf, and the way to the servers that it names")
	}
	result := unproven
	if primary {
		result = warning
	}
	return result(CodeUnresolved, host+" does not resolve from here", fmt.Sprintf("%s is neither in the DNS of this machine nor in /etc/hosts", host),
		"add it to DNS, or to /etc/hosts of the clients")
}

// brief returns the innermost part of an error's text.
func brief(err error) string {
	text := err.Error()
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		text = dns.Err
	}
	return text
}

// unheard returns the result for a name that resolves to addresses of this machine on which the
// server does not listen.
func unheard(host string, here []netip.Addr, l listening) Result {
	six := slices.ContainsFunc(here, netip.Addr.Is6)
	four := slices.ContainsFunc(here, netip.Addr.Is4)
	seen := fmt.Sprintf("%s is %s", host, listed(here))
	switch {
	case six && !four && l.four && !l.six:
		return warning("name-family", seen, fmt.Sprintf("that is IPv6 only, and the server listens at %s, which is IPv4 only", l.text),
			"let it listen at both (http.addr with no host), or give the name an IPv4 address")
	case four && !six && l.six && !l.four:
		return warning("name-family", seen, fmt.Sprintf("that is IPv4 only, and the server listens at %s, which is IPv6 only", l.text),
			"let it listen at both (http.addr with no host), or give the name an IPv6 address")
	}
	return warning("name-address", seen, fmt.Sprintf("that is this machine, and the server listens at %s only", l.text),
		"correct the DNS entry, or http.addr: with no host it listens at every address")
}

// checkForeign returns the result for a name that does not resolve to this machine, according to the
// server that responds there.
func (s *session) checkForeign(ctx context.Context, host string, foreign, own []netip.Addr) Result {
	answers := make([]reply, len(foreign))
	var wait sync.WaitGroup
	for i, a := range foreign {
		wait.Go(func() { answers[i] = s.whoAnswers(ctx, host, a) })
	}
	wait.Wait()
	seen := fmt.Sprintf("%s is %s", host, listed(foreign))
	switch {
	case slices.Contains(answers, replyOurs):
		return passed("%s, which leads to this server", seen)
	case slices.Contains(answers, replyOther):
		return warning(CodeElsewhere, seen, "that is not an address of this machine, and another server answers there",
			"correct the DNS entry; if a proxy that terminates TLS has that address, ignore this")
	case slices.ContainsFunc(foreign, public) && !slices.ContainsFunc(own, func(a netip.Addr) bool { return public(a) && a.Is4() == foreign[0].Is4() }):
		return unproven(CodeNAT, seen, "that is a public address, which no interface of this machine has, and nothing answered from here: NAT or a load balancer may lead it here, and many do not allow a try that from inside",
			"look from outside: packhouse check --url "+s.URL)
	}
	return warning(CodeElsewhere, seen, "that is not an address of this machine, and nothing answered there", "correct the DNS entry; if a load balancer has that address, ignore this")
}

// public reports whether an address is globally routable.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}

// sharedSpace is the address range of carrier-grade NAT (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// reply is the kind of server that responds at an address.
type reply int

const (
	replyNone reply = iota
	replyOther
	replyOurs
)

// whoAnswers requests /health at an address. It sends no password, so it accepts any certificate
// and only identifies the server.
func (s *session) whoAnswers(ctx context.Context, host string, at netip.Addr) reply {
	if s.Machine.Dial == nil {
		return replyNone
	}
	_, port, _ := net.SplitHostPort(s.hostPort())
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return s.Machine.Dial(ctx, network, net.JoinHostPort(at.String(), port))
		},
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: host}, //nolint:gosec // compared by fingerprint
		DisableKeepAlives: true,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base.Scheme+"://"+net.JoinHostPort(host, port)+"/health", http.NoBody)
	if err != nil {
		return replyNone
	}
	response, err := client.Do(request)
	if err != nil {
		return replyNone
	}
	defer response.Body.Close() //nolint:errcheck // read only
	switch {
	case s.Instance != "" && response.Header.Get(InstanceHeader) == s.Instance:
		return replyOurs
	case response.TLS != nil && s.fingerprint() != "" && certgen.Fingerprint(response.TLS.PeerCertificates[0]) == s.fingerprint():
		return replyOurs
	case s.Instance == "" && s.fingerprint() == "":
		return replyNone // inconclusive
	}
	return replyOther
}

// listening is where the server accepts connections.
type listening struct {
	text      string // as configured
	four, six bool
	at        netip.Addr // a single address; the zero Addr: all of the families
	loopback  bool       // reachable only from this machine
	socket    bool       // a Unix socket
}

// hears reports whether connections to an address of this machine reach the server.
func (l listening) hears(a netip.Addr) bool {
	if l.at.IsValid() {
		return a == l.at
	}
	return a.Is4() && l.four || a.Is6() && l.six
}

// listens returns where the configured server accepts connections, or everywhere if unknown.
func (s *session) listens() listening {
	everywhere := listening{text: "every address", four: true, six: true}
	if s.Config == nil {
		return everywhere
	}
	addr := s.Config.HTTP.Addr
	if s.Config.HTTP.Net == "unix" {
		return listening{text: addr, socket: true}
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return everywhere
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case isLocal(host):
		return listening{text: addr, loopback: true, four: true, six: true}
	case err != nil:
		return everywhere // a name: assume every address
	case ip.IsUnspecified():
		return everywhere // either family: Go then listens on both
	}
	ip = ip.Unmap().WithZone("")
	return listening{text: addr, at: ip, four: ip.Is4(), six: ip.Is6()}
}

// listed formats addresses for display.
func listed(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}
