package auth

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// mostFailed is the number of distinct credentials that may fail on a connection before it counts as
// that of a guesser.
const mostFailed = 3

// Connection records what clients have proven on one network connection. The zero value is ready to
// use. It is safe for concurrent use.
type Connection struct {
	proven        atomic.Pointer[credential]
	authenticated atomic.Bool

	mu     sync.Mutex
	failed []credential // distinct ones that were wrong or refused, at most mostFailed
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

// fail records that these credentials were wrong or were refused. Those that another client sent
// through a proxy do not count.
func (c *Connection) fail(key credential, direct bool) {
	if c == nil || !direct {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.failed) < mostFailed && !slices.Contains(c.failed, key) {
		c.failed = append(c.failed, key)
	}
}

// suspect reports whether a client guesses on this connection. What a suspect connection is refused
// reveals nothing about a password, because the right one would be refused, too.
func (c *Connection) suspect() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.failed) == mostFailed
}
