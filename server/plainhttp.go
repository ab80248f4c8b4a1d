package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// handshake is the first byte that TLS clients send (RFC 8446, section 5.1).
const handshake = 0x16

// errPlainHTTP ends the handshake of a connection that was answered already.
var errPlainHTTP = errors.New("HTTP was spoken on the TLS port; the client was told")

// sniffingListener answers HTTP on the port of TLS: who types the name without https gets there all the same, and other clients read what
// is wrong instead of bytes.
type sniffingListener struct{ net.Listener }

func (l sniffingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sniffedConn{Conn: c}, nil
}

// sniffedConn looks at the first bytes when they are read, which is in the connection's own goroutine and under its deadline.
type sniffedConn struct {
	net.Conn
	looked bool
}

func (c *sniffedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.looked || n == 0 {
		return n, err
	}
	c.looked = true
	if p[0] == handshake {
		return n, err
	}
	answerPlain(c.Conn, p[:n])
	return 0, errPlainHTTP
}

// maxPlain bounds the request that is read to find out where it wanted to go, and plainTimeout how long that takes.
const (
	maxPlain     = 16 << 10
	plainTimeout = 5 * time.Second
)

// answerPlain redirects a GET to https and tells everything else in words what is wrong.
func answerPlain(c net.Conn, began []byte) {
	_ = c.SetDeadline(time.Now().Add(plainTimeout)) // a connection that cannot have one has failed already
	request, err := http.ReadRequest(bufio.NewReader(io.LimitReader(io.MultiReader(strings.NewReader(string(began)), c), maxPlain)))
	if err != nil {
		if letter := began[0]; letter >= 'A' && letter <= 'Z' {
			writePlain(c, http.StatusBadRequest, "", "this port speaks HTTPS\n")
		}
		return
	}
	target := "https://" + request.Host + request.URL.RequestURI()
	if (request.Method == http.MethodGet || request.Method == http.MethodHead) && validHost(request.Host) {
		writePlain(c, http.StatusTemporaryRedirect, target, "this port speaks HTTPS: "+target+"\n")
		return
	}
	writePlain(c, http.StatusBadRequest, "", "this port speaks HTTPS: use https:// in the address of the registry\n")
}

func writePlain(w io.Writer, status int, location, words string) {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if location != "" {
		fmt.Fprintf(&b, "Location: %s\r\n", location)
	}
	fmt.Fprintf(&b, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(words), words)
	_, _ = io.WriteString(w, b.String()) // who left hears nothing
}

// validHost keeps what a client invents out of a header: letters, digits and what stands in addresses.
func validHost(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	return strings.IndexFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-:[]_", r))
	}) < 0
}
