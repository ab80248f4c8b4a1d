package connection

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"packhouse/server/auth"
)

// defaultConnections is the limit of a configuration that was not parsed from a file.
const defaultConnections = 10_000

// pendingTime is how long a connection may have a request that is not granted before it can be
// evicted.
const pendingTime = 5 * time.Second

// Listener limits the number of open connections. At the limit, a new connection evicts the
// oldest idle one without an authenticated request. A connection, HTTP/1 or HTTP/2, is idle unless
// a request on it is pending or granted, so unfinished handshakes and headers, refused requests and
// downloads of public content count as idle. If no connection is idle, it evicts the oldest whose requests have been
// pending for pendingTime. If there is none either, the new connection waits, and further ones wait
// in the kernel. One address may have at most half of the connections; more are closed immediately.
// Connections are not wrapped, so that the kernel can still send files on them.
type Listener struct {
	net.Listener
	most int
	many func(netip.Addr) bool // reports whether many clients share an address

	mu     sync.Mutex
	change sync.Cond // a connection ended or became idle, or the listener was closed
	closed bool
	open   map[net.Conn]*connection
	of     map[string]int // connections by address, for those that are counted
	oldest connection     // head of the ring of connections, in order of arrival
}

// connection is the state of an open connection.
type connection struct {
	auth.Connection
	of         *Listener
	conn       net.Conn
	accepted   time.Time
	counted    string    // address it counts against; empty: none
	pending    int       // requests
	since      time.Time // of the oldest pending request
	granted    int       // requests
	active     bool      // net/http reads a request or writes a response
	writing    bool      // net/http may still write the response to a granted request
	next, prev *connection
}

// Limit limits a listener to the given number of connections. many reports whether an
// address stands for many clients, so that it has no share of its own.
func Limit(l net.Listener, most int, many func(netip.Addr) bool) *Listener {
	if most <= 0 {
		most = defaultConnections
	}
	limited := &Listener{
		Listener: l, most: most, many: many, open: map[net.Conn]*connection{}, of: map[string]int{},
	}
	limited.change.L = &limited.mu
	limited.oldest.next, limited.oldest.prev = &limited.oldest, &limited.oldest
	return limited
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		admitted, err := l.admit(c)
		if err != nil {
			_ = c.Close() // it was never served
			return nil, err
		}
		if admitted {
			return c, nil
		}
		_ = c.Close() // its address has too many
	}
}

// admit registers a connection, waiting for room if necessary. It returns false if the connection
// exceeds the share of its address.
func (l *Listener) admit(c net.Conn) (bool, error) {
	address := l.shareOf(c)
	l.mu.Lock()
	defer l.mu.Unlock()
	if address != "" && l.of[address] >= max(1, l.most/2) && !l.evict(address) {
		return false, nil
	}
	for len(l.open) >= l.most && !l.evict("") {
		if l.closed {
			return false, net.ErrClosed
		}
		l.wait()
	}
	entry := &connection{of: l, conn: c, accepted: time.Now(), counted: address, next: &l.oldest, prev: l.oldest.prev}
	entry.prev.next, entry.next.prev = entry, entry
	l.open[c] = entry
	if address != "" {
		l.of[address]++
	}
	return true, nil
}

// wait waits for a connection that can be evicted, or for the time when a pending request is old
// enough for that. The caller holds the lock.
func (l *Listener) wait() {
	first := pendingTime
	for entry := l.oldest.next; entry != &l.oldest; entry = entry.next {
		if entry.pending > 0 {
			first = min(first, pendingTime-time.Since(entry.since))
		}
	}
	timer := time.AfterFunc(first, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.change.Broadcast()
	})
	defer timer.Stop()
	l.change.Wait()
}

// shareOf returns the address that a connection counts against; empty for loopback, trusted proxies
// and Unix sockets.
func (l *Listener) shareOf(c net.Conn) string {
	peer := peerOf(c)
	if !peer.Addr.IsValid() || peer.Addr.IsLoopback() || l.many(peer.Addr) {
		return ""
	}
	return peer.Bucket()
}

// peerOf returns the source of a connection; its address is invalid on a Unix socket.
func peerOf(c net.Conn) auth.Client {
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return auth.Client{}
	}
	return auth.Client{Addr: peer.Addr().Unmap()}
}

// evict closes the oldest idle connection without an authenticated request, of the given address if
// any, or else the oldest whose requests have been pending for too long. It reports whether there
// was one. The caller holds the lock.
func (l *Listener) evict(address string) bool {
	var victim *connection
	now := time.Now()
	for entry := l.oldest.next; entry != &l.oldest; entry = entry.next {
		if entry.granted > 0 || entry.writing || entry.Authenticated() || address != "" && entry.counted != address {
			continue
		}
		if entry.pending == 0 {
			victim = entry
			break
		}
		if victim == nil && now.Sub(entry.since) >= pendingTime {
			victim = entry
		}
	}
	if victim == nil {
		return false
	}
	l.forget(victim)
	go victim.conn.Close() //nolint:errcheck // a connection may take its time to close, and has nothing to report
	return true
}

// forget removes a connection from the table. The caller holds the lock.
func (l *Listener) forget(entry *connection) {
	if l.open[entry.conn] != entry {
		return // already evicted
	}
	delete(l.open, entry.conn)
	entry.prev.next, entry.next.prev = entry.next, entry.prev
	if entry.counted != "" {
		if l.of[entry.counted]--; l.of[entry.counted] <= 0 {
			delete(l.of, entry.counted)
		}
	}
	l.change.Signal()
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.change.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}

// Serve makes an HTTP server report the state of its connections to the listener.
func (l *Listener) Serve(h *http.Server) {
	h.ConnState = l.watch
	h.ConnContext = l.context
}

// age returns how long a connection is open.
func (l *Listener) age(c net.Conn) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if entry := l.open[accepted(c)]; entry != nil {
		return time.Since(entry.accepted)
	}
	return 0
}

type connectionKey struct{}

// context is the ConnContext hook. It adds the connection to the context of its requests.
func (l *Listener) context(ctx context.Context, c net.Conn) context.Context {
	l.mu.Lock()
	entry := l.open[accepted(c)]
	l.mu.Unlock()
	if entry == nil { // evicted before being served
		entry = &connection{of: l, conn: c}
	}
	return auth.WithConnection(context.WithValue(ctx, connectionKey{}, entry), &entry.Connection)
}

// connectionOf returns the connection of a request, or nil if the request did not arrive through a
// Listener.
func connectionOf(r *http.Request) *connection {
	entry, _ := r.Context().Value(connectionKey{}).(*connection)
	return entry
}

// accepted returns the underlying connection as accepted by the listener.
func accepted(c net.Conn) net.Conn {
	for {
		switch over := c.(type) {
		case interface{ NetConn() net.Conn }: // *tls.Conn
			c = over.NetConn()
		case *sniffedConn:
			c = over.Conn
		default:
			return c
		}
	}
}

// begin registers a pending request. The connection may be nil, as for grant and settle.
func (c *connection) begin() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.pending == 0 {
		c.since = time.Now()
	}
	c.pending++
}

// grant marks a pending request as granted.
func (c *connection) grant() {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	c.pending--
	c.granted++
}

// settle is called when a request ends or becomes expendable. The response to a granted one may
// still be in a buffer of net/http: the connection stays busy until net/http reports it as idle.
func (c *connection) settle(was phase) {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	switch was {
	case pending:
		c.pending--
	case granted:
		c.granted--
		c.writing = c.active
	case expendable, over:
		return
	}
	c.of.change.Signal()
}

// watch is the ConnState hook. It removes connections that have ended and makes idle ones
// available for eviction.
func (l *Listener) watch(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := l.open[accepted(c)]
	if entry == nil {
		return
	}
	switch state {
	case http.StateActive:
		entry.active = true
	case http.StateIdle:
		entry.active, entry.writing = false, false
		l.change.Signal()
	case http.StateClosed, http.StateHijacked:
		l.forget(entry)
	}
}
