package server

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"packhouse/server/connection"
)

// endless is a body of zeros that counts what was read of it.
type endless struct{ n int64 }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	e.n += int64(len(p))
	return len(p), nil
}

// TestRefusedBodyIsRead: a client that sends its whole body before it reads gets
// the refusal, as behind a proxy; one that never ends is cut off.
func TestRefusedBodyIsRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	addr := strings.TrimPrefix(f.serve(), "http://")
	const size = 16 << 20
	for _, tc := range []struct {
		name, request string
		status        int
	}{
		{"without credentials", "POST /v2/a/blobs/uploads/", http.StatusUnauthorized},
		{"of a method that is not served", "POST /v2/", http.StatusMethodNotAllowed},
		{"of an unknown path", "PUT /v3/", http.StatusNotFound},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(tc.name+", chunked "+strconv.FormatBool(chunked), func(t *testing.T) {
				c := dial(t, addr)
				header := "Content-Length: " + strconv.Itoa(size)
				body := io.LimitReader(&endless{}, size)
				if chunked {
					header = "Transfer-Encoding: chunked"
					body = io.MultiReader(strings.NewReader(strconv.FormatInt(size, 16)+"\r\n"), body, strings.NewReader("\r\n0\r\n\r\n"))
				}
				if _, err := io.WriteString(c, tc.request+" HTTP/1.1\r\nHost: localhost\r\n"+header+"\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(c, body); err != nil {
					t.Fatalf("send the body: %v", err)
				}
				in := bufio.NewReader(c)
				a, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Body.Close()
				if content, err := io.ReadAll(a.Body); err != nil || a.StatusCode != tc.status || !a.Close || !strings.Contains(string(content), `"errors"`) {
					t.Errorf("%d, close %v, %s, %v; want %d", a.StatusCode, a.Close, content, err, tc.status)
				}
				if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
					t.Errorf("afterwards: %v, want the end of the connection", err)
				}
			})
		}
	}
	t.Run("for ever", func(t *testing.T) {
		c := dial(t, addr)
		if _, err := io.WriteString(c, "PUT /v3/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		var sent endless
		if _, err := io.Copy(c, &sent); err == nil || sent.n < connection.LingerBytes/2 || sent.n > connection.LingerBytes+64<<20 {
			t.Errorf("%d bytes were taken, want about %d: %v", sent.n, connection.LingerBytes, err)
		}
	})
}

// TestRefusedBeforeTheBody: the refusal does not wait for the body. The connection stays open if the
// rest arrives at once, and ends otherwise.
func TestRefusedBeforeTheBody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	addr := strings.TrimPrefix(f.serve(), "http://")
	for path, status := range map[string]int{"/v2/a/manifests/x": 401, "/v3/": 404} {
		for _, rest := range []bool{true, false} {
			t.Run(path+", with the rest "+strconv.FormatBool(rest), func(t *testing.T) {
				t.Parallel()
				c := dial(t, addr)
				_ = c.SetDeadline(time.Now().Add(defaultStall * 3 / 4))
				in := bufio.NewReader(c)
				begin := "PUT " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf."
				if _, err := io.WriteString(c, begin); err != nil {
					t.Fatal(err)
				}
				a, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != status || a.Close {
					t.Fatalf("%d, close %v, %v; want %d", a.StatusCode, a.Close, err, status)
				}
				if !rest {
					if n, err := in.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("afterwards: %d bytes, %v; want the end of the connection", n, err)
					}
					return
				}
				if _, err := io.WriteString(c, "half.GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				if a, err := http.ReadResponse(in, nil); err != nil || a.StatusCode != http.StatusOK {
					t.Errorf("the next request: %v, %v", a, err)
				}
			})
		}
	}
}

// dial connects to a server, with a deadline for one that hangs.
func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return c
}
