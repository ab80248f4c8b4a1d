package server

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

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
	"HTTP/1 body that trickles": func(f *fixture, address string) net.Conn {
		c := secure(f, address, "http/1.1")
		return refused(f, send(f, c, "PUT /v2/a/manifests/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx"))
	},
	"HTTP/1 chunks that trickle": func(f *fixture, address string) net.Conn {
		c := secure(f, address, "http/1.1")
		const headers = "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
		return refused(f, send(f, c, "PUT /v2/a/manifests/x HTTP/1.1\r\n"+headers+"1\r\nx"))
	},
	"HTTP/2 that accepts no response": func(f *fixture, address string) net.Conn {
		c := newStreams(f, secure(f, address, "h2"))
		c.request(http.MethodGet, "/v2/_catalog", true)
		c.until("a response", func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameHeaders })
		return c.Conn
	},
	"HTTP/2 body that trickles": func(f *fixture, address string) net.Conn {
		c := newStreams(f, secure(f, address, "h2"))
		id := c.request(http.MethodPut, "/v2/a/manifests/x", false)
		if err := c.WriteData(id, false, []byte("x")); err != nil {
			f.Fatal(err)
		}
		c.until("a response", func(frame http2.Frame) bool { return frame.Header().Type == http2.FrameHeaders })
		return c.Conn
	},
}

// refused waits for a response, which must not depend on the rest of the body.
func refused(f *fixture, c net.Conn) net.Conn {
	f.Helper()
	_ = c.SetReadDeadline(time.Now().Add(defaultStall / 2))
	line := make([]byte, len("HTTP/1.1 401"))
	if _, err := io.ReadFull(c, line); err != nil || string(line) != "HTTP/1.1 401" {
		f.Fatalf("%q, %v", line, err)
	}
	return c
}

// streams is a client of HTTP/2 that permits the server no bytes of a response.
type streams struct {
	*fixture
	net.Conn
	*http2.Framer
	block *bytes.Buffer
	hpack *hpack.Encoder
	last  uint32 // number of the last stream
}

func newStreams(f *fixture, c net.Conn) *streams {
	f.Helper()
	s := &streams{fixture: f, Conn: c, Framer: http2.NewFramer(c, c), block: &bytes.Buffer{}, last: ^uint32(0)}
	s.hpack = hpack.NewEncoder(s.block)
	send(f, c, http2.ClientPreface)
	if err := s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
		f.Fatal(err)
	}
	return s
}

// request sends the headers of a request, without a body if whole is set, and returns the number of
// the stream.
func (s *streams) request(method, path string, whole bool) uint32 {
	s.Helper()
	s.block.Reset()
	for _, h := range []hpack.HeaderField{
		{Name: ":method", Value: method},
		{Name: ":path", Value: path},
		{Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: "localhost"},
	} {
		_ = s.hpack.WriteField(h) // to a buffer
	}
	s.last += 2
	block := s.block.Bytes()
	headers := http2.HeadersFrameParam{StreamID: s.last, BlockFragment: block, EndStream: whole, EndHeaders: true}
	if err := s.WriteHeaders(headers); err != nil {
		s.Fatal(err)
	}
	return s.last
}

// until reads frames until one is as wanted.
func (s *streams) until(what string, is func(http2.Frame) bool) {
	s.Helper()
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	for {
		frame, err := s.ReadFrame()
		if err != nil {
			s.Fatalf("wait for %s: %v", what, err)
		}
		if is(frame) {
			return
		}
	}
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
				if strings.HasPrefix(name, "HTTP/1 ") {
					break // the server ends these by itself
				}
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
