package auth

import (
	"context"
	"sync/atomic"
)

// Connection records what clients have proven on one network connection. The zero value is ready to
// use. It is safe for concurrent use.
type Connection struct {
	proven        atomic.Pointer[credential]
	authenticated atomic.Bool
}

type connectionKey struct{}

// WithConnection returns a context whose requests arrive on c.
func WithConnection(ctx context.Context, c *Connection) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// connectionOf returns the connection of a context; nil if it has none.
func connectionOf(ctx context.Context) *Connection {
	c, _ := ctx.Value(connectionKey{}).(*Connection)
	return c
}

// Authenticated reports whether any request on this connection was authenticated.
func (c *Connection) Authenticated() bool { return c.authenticated.Load() }

// identify marks the connection as authenticated.
func (c *Connection) identify() {
	if c != nil {
		c.authenticated.Store(true)
	}
}

// prove records that these credentials were accepted. A connection from a proxy carries requests of
// many clients, so only direct credentials are bound to the connection.
func (c *Connection) prove(key credential, direct bool) {
	if c == nil {
		return
	}
	c.identify()
	if direct && !c.proves(key) {
		c.proven.Store(&key)
	}
}

// proves reports whether these credentials were accepted on this connection before.
func (c *Connection) proves(key credential) bool {
	if c == nil {
		return false
	}
	proven := c.proven.Load()
	return proven != nil && *proven == key
}
