package server

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
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
	ctx := auth.WithClient(r.Context(), client)
	if trusted {
		by := addressed{lastOf(r.Header, "X-Forwarded-Proto"), lastOf(r.Header, "X-Forwarded-Host")}
		ctx = context.WithValue(ctx, addressedKey{}, by)
	}
	return client, r.WithContext(ctx)
}

// addressed is how the client of a trusted proxy addressed the registry. Unknown fields are empty.
type addressed struct{ scheme, host string }

type addressedKey struct{}

// addressedAs returns the scheme and the host with which the client of a request addressed the
// registry, by the headers of a trusted proxy, or else as the request has them.
func addressedAs(r *http.Request, tls bool) (scheme, host string) {
	scheme, host = "http", r.Host
	if tls {
		scheme = "https"
	}
	by, _ := r.Context().Value(addressedKey{}).(addressed)
	if s := strings.ToLower(by.scheme); s == "http" || s == "https" {
		scheme = s
	}
	if u, err := url.Parse("//" + by.host); err == nil && u.Host != "" && u.Host == by.host {
		host = by.host
	}
	return scheme, host
}

// lastOf returns the last element of a header that is a list, which the nearest proxy added.
func lastOf(h http.Header, name string) string {
	list := strings.Split(strings.Join(h.Values(name), ","), ",")
	return strings.TrimSpace(list[len(list)-1])
}

// warnProxy warns once about a proxy missing from http.trustedproxies. The lockout of its address
// would affect all clients behind it, so it is disabled once one of them has signed in.
func (s *Server) warnProxy(c auth.Client) {
	if !s.unlisted.Swap(true) {
		s.log.Warn("a proxy forwards requests, but http.trustedproxies does not list it: all clients behind it share one address for lockout and logs", "proxy", c.String())
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
