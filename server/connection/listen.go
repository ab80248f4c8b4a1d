package connection

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"packhouse/server/config"
)

// Timeouts of all HTTP servers.
const (
	HeaderTimeout = 20 * time.Second // for receiving all headers
	IdleTimeout   = 2 * time.Minute  // between requests on a connection
)

// Limits of an HTTP/2 connection. Both cost memory before the client has signed in: each stream that
// of its headers and a goroutine, each connection that of one frame. A client with more requests
// opens another connection or waits.
const (
	mostStreams  = 16
	largestFrame = 64 << 10 // bytes
)

// Listen binds the configured address.
func Listen(c config.HTTP) (net.Listener, error) {
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

// ErrSocketInUse means that another process listens on a Unix socket.
var ErrSocketInUse = errors.New("another process listens there")

// removeStale removes a Unix socket that no process listens on anymore. Any other file stays, so
// listening fails.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil //nolint:nilerr // nothing to remove
	}
	if c, err := dialUnix(path); err == nil {
		_ = c.Close() // it was only to check for a listener
		return fmt.Errorf("listen on %s: %w", path, ErrSocketInUse)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

func dialUnix(path string) (net.Conn, error) { return net.DialTimeout("unix", path, time.Second) }

// ServerOptions configures NewServer.
type ServerOptions struct {
	HTTP     config.HTTP
	TLS      *tls.Config   // nil: plain HTTP
	Stall    time.Duration // a response without progress for this long is ended
	Handler  http.Handler
	ErrorLog *log.Logger
}

// NewServer returns the HTTP server of a listener, with all timeouts except those for whole
// bodies: a large blob over a slow line is legitimate.
func NewServer(l *Listener, o ServerOptions) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(!o.HTTP.HTTP2Disabled)
	p.SetUnencryptedHTTP2(o.HTTP.H2CEnabled && o.TLS == nil)
	h := &http.Server{
		Handler: o.Handler, Protocols: &p, ErrorLog: o.ErrorLog, TLSConfig: o.TLS,
		ReadHeaderTimeout: min(HeaderTimeout, o.Stall), IdleTimeout: IdleTimeout, MaxHeaderBytes: o.HTTP.Limits.HeaderBytes,
		// WriteTimeout is for errors that net/http itself responds with; response sets its own.
		WriteTimeout: min(HeaderTimeout, o.Stall),
		HTTP2: &http.HTTP2Config{
			WriteByteTimeout: o.Stall, SendPingTimeout: IdleTimeout,
			MaxConcurrentStreams: mostStreams, MaxReadFrameSize: largestFrame,
		},
	}
	l.Serve(h)
	if o.TLS != nil {
		new(windows).over(h, l.age)
	}
	return h
}
