package auth

import (
	"context"
	"net/http"
	"net/netip"
)

// Client is the source of a request.
type Client struct {
	Addr netip.Addr // invalid if there is none, as on a Unix socket
	// Shared reports that many clients may use this address, as behind a proxy missing from
	// http.trustedproxies, so failures of one must not count against all. Because proxy headers can
	// be forged, it takes effect only after a sign-in from the address.
	Shared bool
}

type clientKey struct{}

// WithClient sets the source of requests with this context, which defaults to the address of the
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

// peerOf returns the address of the connection's peer; invalid if there is none.
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

// Bucket returns the key under which failures, known addresses and connections are counted: an IPv4
// address or an IPv6 /64, the size that one subscriber gets and in which a host chooses addresses
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

// network returns the key under which attempts share the comparison queue: an IPv4 /24 or IPv6 /48,
// the smallest blocks that are routed, so assigned to one site. A larger unit would reward
// attackers who control a whole block. Within a network, addresses take turns.
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

// lockable reports whether failures may count against the whole address. For a shared address, they
// may until a client has signed in from it. Loopback is exempt because it represents every client
// behind a local proxy.
func (c Client) lockable(familiar bool) bool {
	return c.Addr.IsValid() && !c.Addr.IsLoopback() && !(c.Shared && familiar)
}
