package auth

import (
	"context"
	"net/http"
	"net/netip"
)

// Client is where a request comes from.
type Client struct {
	Addr netip.Addr // invalid where there is none, as on a Unix socket
	// Shared says that others come from the same address, so that it cannot be held against all of them: a proxy that nobody listed. As
	// anybody can write the headers that tell of one, it counts only where somebody has signed in from that address.
	Shared bool
}

type clientKey struct{}

// WithClient tells an Authenticator where requests of this context come from. Without it that is the address of the connection.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns where a request comes from.
func ClientOf(r *http.Request) Client {
	if c, ok := r.Context().Value(clientKey{}).(Client); ok {
		return c
	}
	address, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return Client{Shared: true}
	}
	return Client{Addr: address.Addr().Unmap()}
}

// String returns the address.
func (c Client) String() string {
	if !c.Addr.IsValid() {
		return "local"
	}
	return c.Addr.String()
}

// Bucket is what attempts and connections are counted by: the address, or the /64 of IPv6, which is what one customer gets.
func (c Client) Bucket() string {
	if !c.Addr.IsValid() {
		return "local"
	}
	if c.Addr.Is6() && !c.Addr.Is4In6() {
		if p, err := c.Addr.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return c.Addr.Unmap().String()
}

// lockable tells whether an address can be held against those who come from it; a shared one only while it is familiar to nobody. Loopback
// cannot: it is everybody behind a proxy on this machine.
func (c Client) lockable(familiar bool) bool {
	return c.Addr.IsValid() && !c.Addr.IsLoopback() && !(c.Shared && familiar)
}
