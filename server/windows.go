package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// HTTP/2 receive windows. A client may send one window per round trip, so the one of net/http
// (1 MiB) limits an upload over 100 ms to 10 MB/s. The server may have to hold a whole window in
// memory, so only connections with a long round trip get a wide one, and only a few at a time.
const (
	wideWindow = 8 << 20 // bytes, of a connection and of each of its streams
	mostWide   = 4       // connections at once
	longTrip   = 25 * time.Millisecond
)

// windows chooses the receive windows of HTTP/2 connections.
type windows struct {
	wide atomic.Int32 // connections with a wide window
}

// over makes an HTTP server use it. took returns how long a connection has needed for its TLS
// handshake, which includes one round trip. The server must not be serving yet.
func (w *windows) over(h *http.Server, took func(net.Conn) time.Duration) {
	_ = h.ServeTLS(closedListener{}, "", "") // net/http sets TLSNextProto when it begins to serve
	serve := h.TLSNextProto["h2"]
	if serve == nil { // HTTP/2 is disabled
		return
	}
	wide := *h.HTTP2
	wide.MaxReceiveBufferPerConnection, wide.MaxReceiveBufferPerStream = wideWindow, wideWindow
	h.TLSNextProto["h2"] = func(hs *http.Server, c *tls.Conn, handler http.Handler) {
		if took(c) < longTrip {
			serve(hs, c, handler)
			return
		}
		defer w.wide.Add(-1)
		if w.wide.Add(1) > mostWide {
			serve(hs, c, handler)
			return
		}
		// The HTTP/2 server reads only the settings of the connection from this one.
		serve(&http.Server{
			HTTP2: &wide, Handler: handler, ErrorLog: hs.ErrorLog, ConnState: hs.ConnState,
			IdleTimeout: hs.IdleTimeout, MaxHeaderBytes: hs.MaxHeaderBytes, ReadHeaderTimeout: hs.ReadHeaderTimeout,
		}, c, handler)
	}
}

// closedListener accepts nothing.
type closedListener struct{}

func (closedListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (closedListener) Close() error              { return nil }
func (closedListener) Addr() net.Addr            { return &net.TCPAddr{} }
