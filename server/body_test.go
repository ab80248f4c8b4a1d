package server

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
	"packhouse/server/connection"
	"packhouse/server/problem"
)

// drip is a body of bytes that come at an interval. One of fewer bytes than announced then stops until it is closed.
type drip struct {
	left   int
	whole  bool
	every  time.Duration
	closed chan struct{}
	once   sync.Once
}

func newDrip(left int, every time.Duration) *drip {
	return &drip{left: left, whole: left == 100_000, every: every, closed: make(chan struct{})}
}

func (d *drip) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 && d.whole {
		return 0, io.EOF
	}
	if d.left == 0 {
		<-d.closed
		return 0, io.ErrUnexpectedEOF
	}
	select {
	case <-d.closed:
		return 0, io.ErrUnexpectedEOF
	case <-time.After(d.every):
	}
	d.left--
	p[0] = 'x'
	return 1, nil
}

// protocols runs a test over HTTP/1.1 and HTTP/2, in a bubble. post sends a body of 100,000 bytes to a new server and
// returns the status, the body and the time that the answer took.
func protocols(t *testing.T, test func(t *testing.T, f *fixture, post func(*drip) (int, string, time.Duration))) {
	for name, second := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t, onDisk, func(_ *fixture, c *config.Config) { c.HTTP.H2CEnabled = true })
				var p http.Protocols
				p.SetHTTP1(!second)
				p.SetUnencryptedHTTP2(second)
				end := f.pipe()
				dial := func(context.Context, string, string) (net.Conn, error) { return end, nil }
				transport := &http.Transport{Protocols: &p, DialContext: dial}
				defer transport.CloseIdleConnections()
				test(t, f, func(body *drip) (int, string, time.Duration) {
					t.Helper()
					target := "http://x/v2/a/blobs/uploads/?digest=" + digestOf(strings.Repeat("x", 100_000))
					r, err := http.NewRequest(http.MethodPost, target, body)
					if err != nil {
						t.Fatal(err)
					}
					r.ContentLength = 100_000
					r.SetBasicAuth("ci", writerPassword)
					began := time.Now()
					a, err := transport.RoundTrip(r)
					if err != nil {
						t.Fatalf("after %v: %v", time.Since(began), err)
					}
					text, _ := io.ReadAll(a.Body)
					took := time.Since(began)
					_ = body.Close()
					_ = a.Body.Close()
					return a.StatusCode, string(text), took
				})
			})
		})
	}
}

// wantTimeout checks a 408 that names a limit, and its line in the log.
func wantTimeout(t *testing.T, f *fixture, status int, body, limit string) {
	t.Helper()
	var said struct {
		Errors []struct {
			Code, Message string
			Detail        map[string]string
		}
	}
	err := json.Unmarshal([]byte(body), &said)
	if err != nil || status != http.StatusRequestTimeout || len(said.Errors) != 1 ||
		said.Errors[0].Code != problem.BodyTimeout || said.Errors[0].Detail["limit"] != limit ||
		!strings.Contains(said.Errors[0].Message, limit) {
		t.Errorf("%d %s, want 408 that names %s", status, body, limit)
	}
	synctest.Wait()
	if log := f.log.String(); !strings.Contains(log, "a request body stalled") || !strings.Contains(log, limit) {
		t.Errorf("the log does not report a stall by %s:\n%s", limit, log)
	}
}

// TestStalledBody verifies that a body which stops is ended after five minutes, with an answer that names the limit.
func TestStalledBody(t *testing.T) {
	protocols(t, func(t *testing.T, f *fixture, post func(*drip) (int, string, time.Duration)) {
		status, body, took := post(newDrip(10, time.Millisecond))
		wantTimeout(t, f, status, body, "http.limits.bodystalltimeout")
		if took < connection.DefaultBodyStall || took > connection.DefaultBodyStall+time.Minute {
			t.Errorf("ended after %v, want %v", took, connection.DefaultBodyStall)
		}
	})
}

// TestTricklingBody verifies that a body of one byte per second is ended after the time over which
// its rate is averaged.
func TestTricklingBody(t *testing.T) {
	protocols(t, func(t *testing.T, f *fixture, post func(*drip) (int, string, time.Duration)) {
		status, body, took := post(newDrip(100_000, time.Second))
		wantTimeout(t, f, status, body, "http.limits.bodyrate")
		if took > 2*connection.RateWindow {
			t.Errorf("ended after %v", took)
		}
	})
}

// TestSlowLink verifies that a body over a slow line, far longer than any stall, is stored.
func TestSlowLink(t *testing.T) {
	protocols(t, func(t *testing.T, _ *fixture, post func(*drip) (int, string, time.Duration)) {
		status, body, took := post(newDrip(100_000, time.Second/250))
		if status != http.StatusCreated || took < 6*time.Minute {
			t.Errorf("%d %s after %v", status, body, took)
		}
	})
}
