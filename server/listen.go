package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"time"

	"packhouse/server/config"
)

const (
	headerTimeout = 20 * time.Second // for receiving all headers
	idleTimeout   = 2 * time.Minute  // between requests on a connection
)

// Limits of an HTTP/2 connection. Both cost memory before the client has signed in: each stream that
// of its headers and a goroutine, each connection that of one frame. A client with more requests
// opens another connection or waits.
const (
	mostStreams  = 16
	largestFrame = 64 << 10 // bytes
)

// listen binds the configured address.
func listen(c config.HTTP) (net.Listener, error) {
	network := c.Net
	if network == "" {
		network = "tcp"
	}
	if network == "unix" {
		if err := removeStale(c.Addr); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen(network, c.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return l, nil
}

var errSocketInUse = errors.New("another process listens there")

// removeStale removes a Unix socket that no process listens on anymore. Any other file stays, so
// listening fails.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil //nolint:nilerr // nothing to remove
	}
	if c, err := dialUnix(path); err == nil {
		_ = c.Close() // it was only to check for a listener
		return fmt.Errorf("listen on %s: %w", path, errSocketInUse)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

func dialUnix(path string) (net.Conn, error) { return net.DialTimeout("unix", path, time.Second) }

// httpServer returns the HTTP server with all timeouts except those for whole bodies: a large blob
// over a slow line is legitimate.
func (s *Server) httpServer(l *limitedListener) *http.Server {
	c := s.current.Load().config.HTTP
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(!c.HTTP2Disabled)
	p.SetUnencryptedHTTP2(c.H2CEnabled && s.certs == nil)
	stall := s.current.Load().stall
	h := &http.Server{
		Handler: s, Protocols: &p, ErrorLog: errorLog(s.log),
		ReadHeaderTimeout: min(headerTimeout, stall), IdleTimeout: idleTimeout, MaxHeaderBytes: c.Limits.HeaderBytes,
		// WriteTimeout is for errors that net/http itself responds with; response sets its own.
		WriteTimeout: min(headerTimeout, stall),
		HTTP2: &http.HTTP2Config{
			WriteByteTimeout: stall, SendPingTimeout: idleTimeout,
			MaxConcurrentStreams: mostStreams, MaxReadFrameSize: largestFrame,
		},
	}
	if s.certs != nil {
		h.TLSConfig = s.certs.tlsConfig()
	}
	l.serve(h)
	if s.certs != nil {
		new(windows).over(h, l.age)
	}
	return h
}
