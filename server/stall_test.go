package server

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"packhouse/server/config"
)

// stall is the stall timeout where something has to be ended, longStall where something must not be: longer than a busy machine pauses.
const stall, longStall = 300 * time.Millisecond, 3 * time.Second

func impatient(_ *fixture, c *config.Config) {
	c.HTTP.Limits.StallTimeout, c.HTTP.Limits.BodyStallTimeout = stall, stall
}

func patient(_ *fixture, c *config.Config) {
	c.HTTP.Limits.StallTimeout, c.HTTP.Limits.BodyStallTimeout = longStall, longStall
}

// cut tells whether the server ends a connection by itself, and what it said before.
func cut(t *testing.T, c net.Conn) (said string, cut bool) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(200 * stall))
	all, err := io.ReadAll(c)
	if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // of the connection itself
		return string(all), false
	}
	return string(all), true
}

// TestSlowLoris: connections on which nothing moves are ended, wherever they stand still.
func TestSlowLoris(t *testing.T) {
	f := newFixture(t, impatient, onDisk)
	f.run()
	basic := func(r *http.Request) string {
		r.SetBasicAuth("ci", writerPassword)
		return r.Header.Get("Authorization")
	}(httptest.NewRequest("GET", "/", nil))
	for name, begin := range map[string]string{
		"half a header": "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow:",
		"half a body": "POST /v2/a/blobs/uploads/?digest=sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 HTTP/1.1\r\n" +
			"Host: x\r\nAuthorization: " + basic + "\r\nContent-Length: 100\r\n\r\nhalf",
		"half a body nobody wants": "PUT /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", f.server.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			io.WriteString(c, begin)
			if said, ended := cut(t, c); !ended {
				t.Errorf("it goes on; it said %q", said)
			}
		})
	}
}

// TestDrips: headers that come byte by byte are ended too, however steadily they drip.
func TestDrips(t *testing.T) {
	t.Parallel()
	f := newFixture(t, impatient)
	f.run()
	c, err := net.Dial("tcp", f.server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /v2/ HTTP/1.1\r\nX-Slow: ")
	for range 4000 { // a minute, for a server that hears of them late
		if _, err := io.WriteString(c, "a"); err != nil {
			return
		}
		time.Sleep(stall / 20) // a slow client on a real connection
	}
	t.Error("it goes on")
}

// pipes is a listener within this process: in a bubble time passes on its connections as the test says, and not as the machine does.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "@", Net: "unix"} }

func (p pipes) Close() error {
	close(p)
	return nil
}

// pipe has the server answer on pipes and returns the other end of one.
func (f *fixture) pipe() net.Conn {
	f.Helper()
	listener := make(pipes, 1)
	f.server.life.listener = &onceClosed{Listener: listener}
	f.serve()
	ours, theirs := net.Pipe()
	f.Cleanup(func() { ours.Close() })
	listener <- theirs
	return ours
}

// onceClosed may be closed again, as a socket may.
type onceClosed struct {
	net.Listener
	once sync.Once
}

func (l *onceClosed) Close() (err error) {
	l.once.Do(func() { err = l.Listener.Close() })
	return err
}

// begin writes the headers of a request as ci, and those of its body.
func begin(t *testing.T, c net.Conn, target string, length int) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.SetBasicAuth("ci", writerPassword)
	if _, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n", target, r.Header.Get("Authorization"), length); err != nil {
		t.Fatal(err)
	}
}

// answered reads the answer.
func answered(t *testing.T, c net.Conn, want int) {
	t.Helper()
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("cut off: %v", err)
	}
	defer a.Body.Close()
	if body, err := io.ReadAll(a.Body); err != nil || a.StatusCode != want {
		t.Errorf("%d %s, %v", a.StatusCode, body, err)
	}
}

// TestSlowButMoving: a body may take longer than the timeout as long as it moves, and the answer comes whole.
func TestSlowButMoving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, patient, onDisk)
		content := strings.Repeat("slow", 5)
		c := f.pipe()
		begin(t, c, "/v2/a/blobs/uploads/?digest="+digestOf(content), len(content))
		for i := range 10 {
			time.Sleep(longStall / 2)
			if _, err := io.WriteString(c, content[2*i:2*i+2]); err != nil {
				t.Fatal(err)
			}
		}
		answered(t, c, http.StatusCreated)
	})
}

// TestReaderStalls: who asks for a blob and does not read it is let go; who reads slowly gets it whole.
func TestReaderStalls(t *testing.T) {
	t.Parallel()
	f := newFixture(t, patient, onDisk)
	base, client := f.run(), f.client()
	content := bytes.Repeat([]byte("0123456789abcdef"), 2<<20)
	digest := digestOf(string(content))
	if a := f.ask(client, http.MethodPost, base+"/v2/a/blobs/uploads/?digest="+digest, "ci", bytes.NewReader(content)); a.status != http.StatusCreated {
		t.Fatalf("push: %d %s", a.status, a.body)
	}
	get := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", f.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.(*net.TCPConn).SetReadBuffer(64 << 10)
		r := httptest.NewRequest(http.MethodGet, "/v2/a/blobs/"+digest, nil)
		r.SetBasicAuth("spectro", readerPassword)
		fmt.Fprintf(c, "GET /v2/a/blobs/%s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n\r\n", digest, r.Header.Get("Authorization"))
		return c
	}
	for _, how := range []string{"hashed on the way", "sent by the kernel"} { // the second reader's blob is verified
		t.Run(how, func(t *testing.T) {
			ended := func() int { return strings.Count(f.log.String(), "msg=request method=GET path=/v2/a/blobs/") }
			before := ended()
			c := get()
			defer c.Close()
			f.eventually("the end of a reader who does not read", func() bool { return ended() > before })

			c = get()
			defer c.Close()
			reader := bufio.NewReaderSize(c, 64<<10)
			answer, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			began, n := time.Now(), 0
			buf := make([]byte, 32<<10)
			for {
				m, err := answer.Body.Read(buf)
				n += m
				if err != nil {
					break
				}
				// As fast as to take longer than the timeout for all of it, and no slower: what the kernel tells the server of late is little then.
				time.Sleep(time.Until(began.Add(time.Duration(float64(longStall+stall) * float64(n) / float64(len(content))))))
			}
			if n != len(content) {
				t.Errorf("%d bytes of %d", n, len(content))
			}
		})
	}
}

// TestLongAnswer: after the body has been read an answer may take longer than the timeout.
func TestLongAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, patient)
		f.replace(handlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return err
			}
			select {
			case <-r.Context().Done():
				return r.Context().Err()
			case <-time.After(10 * longStall):
			}
			w.WriteHeader(http.StatusOK)
			return nil
		}))
		c := f.pipe()
		begin(t, c, "/v2/a/blobs/uploads/", len("body"))
		if _, err := io.WriteString(c, "body"); err != nil {
			t.Fatal(err)
		}
		answered(t, c, http.StatusOK)
	})
}
