package auth

import (
	"context"
	"net/http"
	"net/netip"
)

// Client is the source of a request.
type Client struct {
	Addr netip.Addr // invalid if there is none, as on a Unix socket
	// Shared reports that many clients may use this address, as behind a proxy that
	// http.trustedproxies does not list: failures of one must not count against all. Anyone can
	// forge a proxy's headers, so it counts only after a sign-in from the address.
	Shared bool
}

type clientKey struct{}

// WithClient sets the source of requests with this context. The default is the address of the
// connection.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns the source of a request.
func ClientOf(r *http.Request) Client {
	if c, ok := r.Context().Value(clientKey{}).(Client); ok {
		return c
	}
	if peer := peerOf(r); peer.IsValid() {
		return Client{Addr: peer}
	}
	return Client{Shared: true}
}

// peerOf returns the address of the connection; invalid if there is none.
func peerOf(r *http.Request) netip.Addr {
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return address.Addr().Unmap()
}

// String returns the address.
func (c Client) String() string {
	if !c.Addr.IsValid() {
		return "local"
	}
	return c.Addr.String()
}

// Bucket returns what failures, known addresses and connections are counted by: an IPv4 address, or
// a /64 of IPv6, which is what one subscriber gets and within which a host chooses addresses
// freely.
func (c Client) Bucket() string {
	if c.v6() {
		return c.prefix(64)
	}
	if !c.Addr.IsValid() {
		return "local"
	}
	return c.Addr.Unmap().String()
}

// network returns what shares the queue for password comparisons: a /24 of IPv4 or a /48 of IPv6,
// the smallest blocks that are routed, and so assigned to one site. A larger share would pay
// whoever controls a whole block; within a network addresses take turns.
func (c Client) network() string {
	if c.v6() {
		return c.prefix(48)
	}
	if !c.Addr.IsValid() {
		return "local"
	}
	return c.prefix(24)
}

func (c Client) v6() bool { return c.Addr.Is6() && !c.Addr.Is4In6() }

func (c Client) prefix(bits int) string {
	p, err := c.Addr.Unmap().WithZone("").Prefix(bits)
	if err != nil {
		return c.Addr.String()
	}
	return p.String()
}

// lockable reports whether failures may count against the whole address. For a shared address they
// do until a client has signed in from it. Loopback is exempt: it stands for every client behind a
// proxy on this machine.
func (c Client) lockable(familiar bool) bool {
	return c.Addr.IsValid() && !c.Addr.IsLoopback() && !(c.Shared && familiar)
}
