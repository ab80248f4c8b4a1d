package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"packhouse/server/auth"
)

// forwarding lists the headers by which proxies pass on the client's address.
var forwarding = []string{"X-Forwarded-For", "X-Real-Ip", "Forwarded"}

// origin determines the source of a request: the peer or, for a trusted proxy, the last address in
// X-Forwarded-For that is not a trusted proxy's, because clients can forge those before it. Headers
// from other peers are ignored, but mark the address as shared by many clients.
func (s *Server) origin(st *state, r *http.Request) (auth.Client, *http.Request) {
	client := auth.ClientOf(r)
	trusted := st.trusts(client.Addr) || (!client.Addr.IsValid() && len(st.proxies) > 0)
	switch {
	case trusted:
		if from, ok := st.forwardedFor(r.Header.Values("X-Forwarded-For")); ok {
			client = auth.Client{Addr: from}
		} else {
			client.Shared = true
		}
	default:
		for _, name := range forwarding {
			if _, ok := r.Header[name]; ok {
				client.Shared = true
				s.warnProxy(client)
				break
			}
		}
	}
	return client, r.WithContext(auth.WithClient(r.Context(), client))
}

// warnProxy warns once about a proxy missing from http.trustedproxies. The lockout of its address
// would affect all clients behind it, so it is disabled once one of them has signed in.
func (s *Server) warnProxy(c auth.Client) {
	if !s.unlisted.Swap(true) {
		s.log.Warn("requests come through a proxy that http.trustedproxies does not list: everybody behind it looks the same, and once one of them has signed in its address is not locked out", "proxy", c.String())
	}
}

func (st *state) trusts(a netip.Addr) bool {
	for _, p := range st.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedFor returns the last address that is not a trusted proxy's.
func (st *state) forwardedFor(values []string) (netip.Addr, bool) {
	list := strings.Split(strings.Join(values, ","), ",")
	for i, text := range slices.Backward(list) {
		a, ok := parseForwarded(strings.TrimSpace(text))
		if !ok {
			return netip.Addr{}, false
		}
		if i == 0 || !st.trusts(a) {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// parseForwarded parses an address with or without a port.
func parseForwarded(s string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().Unmap().WithZone(""), true
	}
	return netip.Addr{}, false
}

func parseProxies(list []string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for _, text := range list {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, bad := netip.ParseAddr(text)
			if bad != nil {
				return nil, fmt.Errorf("read http.trustedproxies: %w", err)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		proxies = append(proxies, p.Masked())
	}
	return proxies, nil
}
