package server

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBothLengthsEndTheConnection sends requests over a raw socket and counts the answers: what
// follows a request with Content-Length and Transfer-Encoding on its connection is never answered.
func TestBothLengthsEndTheConnection(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	addr := strings.TrimPrefix(f.serve(), "http://")
	const next = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for _, test := range []struct {
		name, request string
		answers       int
	}{
		{"both", "POST /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 1},
		{"both in the other order", "POST /v2/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n", 1},
		{"both in a GET", "GET /health HTTP/1.1\r\nHost: localhost\r\ncontent-length: 0\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n", 1},
		{"two lengths", "POST /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde", 1},
		{"two encodings", "POST /v2/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 1},
		{"a length", "POST /v2/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nabcde", 2},
		{"no body", next, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // only for a server that hangs
				t.Fatal(err)
			}
			last := strings.Replace(next, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
			if _, err := io.WriteString(c, test.request+last); err != nil {
				t.Fatal(err)
			}
			answers, in := 0, bufio.NewReader(c)
			for {
				a, err := http.ReadResponse(in, nil)
				if err != nil {
					break
				}
				_, _ = io.Copy(io.Discard, a.Body)
				a.Body.Close()
				answers++
			}
			if answers != test.answers {
				t.Errorf("%d answers, want %d", answers, test.answers)
			}
		})
	}
}
