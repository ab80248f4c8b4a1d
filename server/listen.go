package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"time"

	"packhouse/server/auth"
	"packhouse/server/config"
)

const (
	headerTimeout = 20 * time.Second // to send all headers in
	idleTimeout   = 2 * time.Minute  // between requests of a connection
)

// listen binds the address of the configuration.
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

// removeStale removes a Unix socket that nobody listens on any more. Whatever is not a socket stays, and listening fails.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 {
		return nil //nolint:nilerr // nothing to remove
	}
	if c, err := dialUnix(path); err == nil {
		_ = c.Close() // it was only to see whether somebody listens
		return fmt.Errorf("listen on %s: %w", path, errSocketInUse)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	return nil
}

func dialUnix(path string) (net.Conn, error) { return net.DialTimeout("unix", path, time.Second) }

// limitedListener accepts no more connections than there may be at once; further ones wait in the kernel. One address has half of them at
// most, and what it opens beyond is closed at once: else a single one keeps everybody out. The places are given back by net/http's ConnState,
// so connections need no wrapper and keep what the kernel does for them.
type limitedListener struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
	many   func(netip.Addr) bool // whether many people come from an address

	mu sync.Mutex
	of map[string]int // places by address
}

// limit makes one of a listener as the configuration says.
func (s *Server) limit(l net.Listener) *limitedListener {
	return newLimitedListener(l, s.current.Load().config.HTTP.Limits.Connections, func(a netip.Addr) bool { return s.current.Load().trusts(a) })
}

func newLimitedListener(l net.Listener, most int, many func(netip.Addr) bool) *limitedListener {
	if most <= 0 {
		most = 10_000
	}
	return &limitedListener{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{}), many: many, of: map[string]int{}}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		select {
		case l.places <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			return nil, err
		}
		if l.take(c) {
			return c, nil
		}
		_ = c.Close() // it has enough of them
		<-l.places
	}
}

// peerOf returns where a connection comes from; its address is invalid on a Unix socket.
func peerOf(c net.Conn) auth.Client {
	peer, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return auth.Client{}
	}
	return auth.Client{Addr: peer.Addr().Unmap()}
}

// take counts a connection and tells whether its address may have it. Those of this machine and of listed proxies are not counted.
func (l *limitedListener) take(c net.Conn) bool {
	peer := peerOf(c)
	if !peer.Addr.IsValid() || peer.Addr.IsLoopback() || l.many(peer.Addr) {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[peer.Bucket()] >= max(1, cap(l.places)/2) {
		return false
	}
	l.of[peer.Bucket()]++
	return true
}

// giveBack counts a connection less, if it was counted: which proxies are listed may have changed meanwhile.
func (l *limitedListener) giveBack(c net.Conn) {
	address := peerOf(c).Bucket()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[address]--; l.of[address] <= 0 {
		delete(l.of, address)
	}
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// watch is the ConnState hook that gives places back.
func (l *limitedListener) watch(c net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	l.giveBack(c)
	select {
	case <-l.places:
	default: // never wait here, whatever net/http calls twice
	}
}

// httpServer is net/http's part, with every timeout it has but those of whole bodies: a large blob over a slow line is no attack.
func (s *Server) httpServer(l *limitedListener) *http.Server {
	c := s.current.Load().config.HTTP
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(!c.HTTP2Disabled)
	p.SetUnencryptedHTTP2(c.H2CEnabled && s.certs == nil)
	stall := s.current.Load().stall
	h := &http.Server{
		Handler: s, Protocols: &p, ErrorLog: errorLog(s.log), ConnState: l.watch,
		ReadHeaderTimeout: min(headerTimeout, stall), IdleTimeout: idleTimeout, MaxHeaderBytes: c.Limits.HeaderBytes,
		HTTP2: &http.HTTP2Config{WriteByteTimeout: stall, SendPingTimeout: idleTimeout},
	}
	if s.certs != nil {
		h.TLSConfig = s.certs.tlsConfig()
	}
	return h
}
