package connection

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"packhouse/certgen"
)

// TestWindowsFollowTheRoundTrip verifies that HTTP/2 connections with a long round trip get a wide receive window, and
// only a few of them, because each may fill in memory.
func TestWindowsFollowTheRoundTrip(t *testing.T) {
	pair, err := certgen.NewSelfSigned(certgen.LeafOptions{Names: certgen.Names{DNS: []string{"localhost"}}})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf())
	var took atomic.Int64
	h := &http.Server{
		Handler: http.NotFoundHandler(), HTTP2: &http.HTTP2Config{}, ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair.TLS()}},
	}
	new(windows).over(h, func(net.Conn) time.Duration { return time.Duration(took.Load()) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = h.ServeTLS(l, "", "") }()
	defer h.Close()
	window := func(trip time.Duration) (bytes int64) {
		t.Helper()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		took.Store(int64(trip))
		over := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: []string{"h2"}})
		t.Cleanup(func() { _ = over.Close() })
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(over, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		framer := http2.NewFramer(over, over)
		if err := framer.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		connection := int64(65535)
		for bytes == 0 || connection == 65535 {
			frame, err := framer.ReadFrame()
			if err != nil {
				t.Fatal(err)
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if size, ok := frame.Value(http2.SettingInitialWindowSize); ok {
					bytes = int64(size)
				}
			case *http2.WindowUpdateFrame:
				connection += int64(frame.Increment)
			}
		}
		return min(bytes, connection)
	}
	for range mostWide {
		if got := window(longTrip); got != wideWindow {
			t.Errorf("over a long round trip the window is %d bytes, want %d", got, wideWindow)
		}
	}
	for i := range mostUsual {
		if got := window(longTrip - time.Duration(i%2)); got != usualWindow {
			t.Errorf("beside %d others the window is %d bytes, want %d", mostWide+i, got, usualWindow)
		}
	}
	if got := window(longTrip); got != narrowWindow {
		t.Errorf("beside many others the window is %d bytes, want %d", got, narrowWindow)
	}
}
