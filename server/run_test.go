package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"packhouse/server/config"
	"packhouse/server/connection"
)

// upload is a push whose body is written as the test goes on.
type upload struct {
	body   *io.PipeWriter
	answer chan answer
	failed chan error
}

// push begins to push content as ci; the first part has been sent when it returns.
func (f *fixture) push(client *http.Client, base, content string) *upload {
	f.Helper()
	r, w := io.Pipe()
	request, err := http.NewRequestWithContext(f.Context(), http.MethodPost, base+"/v2/a/blobs/uploads/?digest="+digestOf(content), r)
	if err != nil {
		f.Fatal(err)
	}
	request.ContentLength = int64(len(content))
	request.SetBasicAuth("ci", passwords["ci"])
	u := &upload{w, make(chan answer, 1), make(chan error, 1)}
	go func() {
		a, err := client.Do(request)
		if err != nil {
			u.failed <- err
			return
		}
		defer a.Body.Close()
		text, _ := io.ReadAll(a.Body)
		u.answer <- answer{status: a.StatusCode, body: string(text)}
	}()
	return u
}

// running waits until so many requests are being answered.
func (f *fixture) running(n int) {
	f.Helper()
	f.eventually(fmt.Sprint(n, " running requests"), func() bool { return f.gauge("packhouse_requests_running") == float64(n) })
}

// gauge reads a metric.
func (f *fixture) gauge(name string) float64 {
	families, err := f.server.metrics.Registry.Gather()
	if err != nil {
		f.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	f.Fatalf("there is no metric %s", name)
	return 0
}

// TestDrain: a request that runs when the server is told to stop is finished, and nothing new is accepted.
func TestDrain(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]setting{"plain": {onDisk}, "TLS, HTTP/2": {onDisk, withTLS}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, settings...)
			base := f.run()
			u := f.push(f.client(), base, "first second")
			if _, err := u.body.Write([]byte("first ")); err != nil {
				t.Fatal(err)
			}
			f.running(1)
			f.cancel()
			f.eventually("a closed port", func() bool {
				c, err := net.Dial("tcp", f.server.Addr().String())
				if err == nil {
					c.Close()
				}
				return err != nil
			})
			select {
			case err := <-f.ran:
				t.Fatalf("it ended with a request running: %v", err)
			default:
			}
			if _, err := u.body.Write([]byte("second")); err != nil {
				t.Fatal(err)
			}
			u.body.Close()
			select {
			case a := <-u.answer:
				if a.status != http.StatusCreated {
					t.Errorf("%d %s", a.status, a.body)
				}
			case err := <-u.failed:
				t.Errorf("cut off: %v", err)
			}
			if err := <-f.ran; err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
}

// TestDrainTimeout: what does not end is cut off, and Run says so.
func TestDrainTimeout(t *testing.T) {
	f := newFixture(t, with(func(c *config.Config) { c.HTTP.DrainTimeout = 50 * time.Millisecond }))
	u := f.push(f.client(), f.run(), "never whole")
	if _, err := u.body.Write([]byte("never")); err != nil {
		t.Fatal(err)
	}
	f.running(1)
	f.cancel()
	if err := <-f.ran; !errors.Is(err, errDrain) {
		t.Errorf("run: %v", err)
	}
	u.body.CloseWithError(io.ErrUnexpectedEOF)
}

func TestShutdown(t *testing.T) {
	f := newFixture(t, onDisk)
	base := f.run()
	f.ask(f.client(), http.MethodGet, base+"/health", "", nil)
	if err := f.server.Run(t.Context()); !errors.Is(err, errRunOnce) {
		t.Errorf("a second time: %v", err)
	}
	if err := f.server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-f.ran; err != nil {
		t.Errorf("run: %v", err)
	}
	if err := f.server.Run(t.Context()); err != nil {
		t.Errorf("after the end: %v", err)
	}
	again, err := New(t.Context(), Options{Config: f.server.current.Load().config, LogTo: f.log, AdminSocket: "-"})
	if err != nil {
		t.Fatalf("the store was not let go: %v", err)
	}
	if err := again.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPortInUse(t *testing.T) {
	f := newFixture(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	f.server.current.Load().config.HTTP.Addr = taken.Addr().String()
	if err := f.server.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("run: %v", err)
	}
}

// TestUnixSocket: a stale socket is replaced, one in use is not.
func TestUnixSocket(t *testing.T) {
	var path string
	f := newFixture(t, func(f *fixture, c *config.Config) {
		path = f.path("http.sock")
		c.HTTP.Net, c.HTTP.Addr = "unix", path
	})
	stale, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	f.run()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Errorf("%q, %v", line, err)
	}
	if _, err := connection.Listen(config.HTTP{Net: "unix", Addr: path}); !errors.Is(err, connection.ErrSocketInUse) {
		t.Errorf("a second one: %v", err)
	}
	if err := os.WriteFile(f.path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Listen(config.HTTP{Net: "unix", Addr: f.path("file")}); err == nil {
		t.Error("a file was replaced by a socket")
	}
}

// TestConnectionLimit: while requests have authenticated on all connections, further ones wait until one ends.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	f := newFixture(t, with(func(c *config.Config) { c.HTTP.Limits.Connections = 2 }))
	f.run()
	basic := httptest.NewRequest(http.MethodGet, "/", nil)
	basic.SetBasicAuth("ci", writerPassword)
	open := func() (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", f.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", basic.Header.Get("Authorization"))
		return c, bufio.NewReader(c)
	}
	answered := func(r *bufio.Reader) bool {
		line, err := r.ReadString('\n')
		return err == nil && strings.Contains(line, "200")
	}
	first, r := open()
	_, second := open()
	if !answered(r) || !answered(second) {
		t.Fatal("the first two are not answered")
	}
	third, r := open()
	_ = third.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if answered(r) {
		t.Error("a third is answered")
	}
	_ = third.SetReadDeadline(time.Time{})
	first.Close()
	if !answered(bufio.NewReader(third)) {
		t.Error("the third is not answered when there is room")
	}
}
