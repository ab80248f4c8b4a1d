package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
)

// fewConnections is the limit in these tests.
const fewConnections = 12

func limited(_ *fixture, c *config.Config) { c.HTTP.Limits.Connections = fewConnections }

// squatter opens a connection that uses up a place, and returns it once the server has it.
type squatter func(f *fixture, address string) net.Conn

// secure opens a TLS connection that speaks a protocol.
func secure(f *fixture, address, protocol string) *tls.Conn {
	f.Helper()
	c, err := tls.Dial("tcp", address, &tls.Config{RootCAs: f.roots, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12})
	if err != nil {
		f.Fatal(err)
	}
	return c
}

// send writes to a connection.
func send(f *fixture, c net.Conn, text string) net.Conn {
	f.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		f.Fatal(err)
	}
	return c
}

// http2Preface and the empty SETTINGS frame open an HTTP/2 connection (RFC 9113, section 3.4).
const http2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

var squatters = map[string]squatter{
	"handshake that never begins": func(f *fixture, address string) net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			f.Fatal(err)
		}
		return c
	},
	"handshake that never ends": func(f *fixture, address string) net.Conn {
		c, err := net.Dial("tcp", address)
		if err != nil {
			f.Fatal(err)
		}
		return send(f, c, "\x16\x03\x01\x02\x00\x01")
	},
	"idle HTTP/2": func(f *fixture, address string) net.Conn {
		c := send(f, secure(f, address, "h2"), http2Preface)
		if _, err := io.ReadFull(c, make([]byte, 9)); err != nil { // its SETTINGS
			f.Fatal(err)
		}
		return c
	},
	"half a header of HTTP/1": func(f *fixture, address string) net.Conn {
		return send(f, secure(f, address, "http/1.1"), "GET /v2/ HTTP/1.1\r\nX-Slow:")
	},
	"kept alive HTTP/1": func(f *fixture, address string) net.Conn {
		c := send(f, secure(f, address, "http/1.1"), "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
		if _, err := io.ReadFull(c, make([]byte, 12)); err != nil {
			f.Fatal(err)
		}
		return c
	},
}

// ended reports whether the server closed a connection.
func ended(c net.Conn) bool {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	for {
		if _, err := c.Read(make([]byte, 1<<12)); err != nil {
			e, ok := err.(net.Error) //nolint:errorlint // of the connection itself
			return !ok || !e.Timeout()
		}
	}
}

// TestIdleConnectionsMakeRoom: connections on which no request has authenticated, however they stay
// open, do not keep a client out: the oldest makes room for each new one.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	for name, squat := range squatters {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, withTLS, limited)
			base := f.serve()
			address := f.server.Addr().String()
			var all []net.Conn
			for range fewConnections {
				c := squat(f, address)
				defer c.Close()
				all = append(all, c)
			}
			client := f.client()
			client.Timeout = 20 * time.Second // far longer than it takes, and shorter than http.limits allow a handshake
			if a := f.ask(client, http.MethodGet, base+"/v2/", "ci", nil); a.status != http.StatusOK {
				t.Fatalf("the client gets %d", a.status)
			}
			f.eventually("the end of the oldest", func() bool { return ended(all[0]) })
			for i, c := range all[1:] {
				if ended(c) {
					t.Errorf("number %d was evicted too", i+2)
				}
			}
			for range fewConnections {
				squat(f, address).Close()
			}
			if a := f.ask(client, http.MethodGet, base+"/v2/", "ci", nil); a.status != http.StatusOK {
				t.Errorf("after more of them the client gets %d", a.status)
			}
		})
	}
}

// TestBusyAndProvenConnectionsStay: neither a connection on which a request is being answered nor
// one on which a request has authenticated is evicted, and a new one waits until one of them ends.
func TestBusyAndProvenConnectionsStay(t *testing.T) {
	f := newFixture(t, withTLS, limited)
	running, finish := make(chan struct{}, fewConnections), make(chan struct{})
	f.replace(handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		running <- struct{}{}
		<-finish
		w.WriteHeader(http.StatusOK)
		return nil
	}))
	base := f.serve()
	proven := f.client()
	if a := f.ask(proven, http.MethodGet, base+"/health", "", nil); a.status != http.StatusOK {
		t.Fatalf("%d", a.status)
	}
	answers := make(chan error, fewConnections)
	var client *http.Client
	for range fewConnections {
		client = f.client()
		go func(client *http.Client) {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+"/v2/", nil)
			if err == nil {
				r.SetBasicAuth("ci", writerPassword)
				var a *http.Response
				if a, err = client.Do(r); err == nil {
					a.Body.Close()
				}
			}
			answers <- err
		}(client)
	}
	for range fewConnections { // the idle one has made room
		<-running
	}
	late := make(chan error, 1)
	go func() {
		c, err := tls.Dial("tcp", f.server.Addr().String(), &tls.Config{RootCAs: f.roots, MinVersion: tls.VersionTLS12})
		if err == nil {
			c.Close()
		}
		late <- err
	}()
	close(finish)
	for range fewConnections {
		if err := <-answers; err != nil {
			t.Errorf("a request that was being answered: %v", err)
		}
	}
	select {
	case err := <-late:
		t.Errorf("one more connection than the limit: %v", err)
	default:
	}
	client.CloseIdleConnections()
	if err := <-late; err != nil {
		t.Errorf("once a connection has ended: %v", err)
	}
	if log := f.log.String(); strings.Contains(log, "panic") {
		t.Errorf("the log has a panic:\n%s", log)
	}
}
