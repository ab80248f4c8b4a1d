package connection

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// HTTP/2 receive windows, of a connection and of each of its streams, in bytes. A client may send one
// window per round trip, so the usual one, that of net/http, limits an upload over 100 ms to
// 10 MB/s. A client may fill its window before it signs in, and the server may have to hold it in
// memory, so only some connections at a time get the larger ones; wide ones go to long round trips.
const (
	wideWindow   = 8 << 20
	mostWide     = 4 // connections at once
	longTrip     = 25 * time.Millisecond
	usualWindow  = 1 << 20
	mostUsual    = 32 // connections at once
	narrowWindow = 256 << 10
)

// windows chooses the receive windows of HTTP/2 connections.
type windows struct {
	wide, usual atomic.Int32 // connections that have one
}

// choose returns the window of a connection with a round trip. The caller calls done when the
// connection has ended.
func (w *windows) choose(trip time.Duration) (window int, done func()) {
	for _, size := range []struct {
		window   int
		fits     bool
		has      *atomic.Int32
		mostHave int32
	}{
		{wideWindow, trip >= longTrip, &w.wide, mostWide},
		{usualWindow, true, &w.usual, mostUsual},
	} {
		if !size.fits {
			continue
		}
		if size.has.Add(1) <= size.mostHave {
			return size.window, func() { size.has.Add(-1) }
		}
		size.has.Add(-1)
	}
	return narrowWindow, func() {}
}

// over makes an HTTP server use it. took returns how long a connection has needed for its TLS
// handshake, which includes one round trip. The server must not be serving yet.
func (w *windows) over(h *http.Server, took func(net.Conn) time.Duration) {
	_ = h.ServeTLS(closedListener{}, "", "") // net/http sets TLSNextProto when it begins to serve
	serve := h.TLSNextProto["h2"]
	if serve == nil { // HTTP/2 is disabled
		return
	}
	h.TLSNextProto["h2"] = func(hs *http.Server, c *tls.Conn, handler http.Handler) {
		window, done := w.choose(took(c))
		defer done()
		limits := *hs.HTTP2
		limits.MaxReceiveBufferPerConnection, limits.MaxReceiveBufferPerStream = window, window
		// The HTTP/2 server reads only the settings of the connection from this one.
		serve(&http.Server{
			HTTP2: &limits, Handler: handler, ErrorLog: hs.ErrorLog, ConnState: hs.ConnState,
			IdleTimeout: hs.IdleTimeout, MaxHeaderBytes: hs.MaxHeaderBytes,
			ReadHeaderTimeout: hs.ReadHeaderTimeout, WriteTimeout: hs.WriteTimeout,
		}, c, handler)
	}
}

// closedListener accepts nothing.
type closedListener struct{}

func (closedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }

func (closedListener) Close() error { return nil }

func (closedListener) Addr() net.Addr { return &net.TCPAddr{} }
