package connection

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

// handshake is the first byte of a TLS connection (RFC 8446, section 5.1).
const handshake = 0x16

// errPlainHTTP ends the handshake of a connection that already got a plain HTTP response.
var errPlainHTTP = errors.New("plain HTTP on the TLS port, which got an error response")

// AnswerPlainHTTP returns a listener for TLS that responds to plain HTTP: browsers are redirected to
// https, and other clients get a readable error instead of a TLS alert. known reports whether host is
// a name of this server.
func AnswerPlainHTTP(l net.Listener, known func(host string) bool) net.Listener {
	return sniffingListener{l, known}
}

type sniffingListener struct {
	net.Listener
	known func(host string) bool // whether host is a name of this server
}

func (l sniffingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sniffedConn{Conn: c, known: l.known}, nil
}

// sniffedConn checks the first byte on the first Read, which happens in the connection's own
// goroutine and within its deadline.
type sniffedConn struct {
	net.Conn
	known  func(host string) bool
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
	c.answerPlain(p[:n])
	return 0, errPlainHTTP
}

// maxPlain is the maximum size of a plain HTTP request in bytes, and plainTimeout the time limit
// for answering it.
const (
	maxPlain     = 16 << 10
	plainTimeout = 5 * time.Second
)

// answerPlain redirects GET and HEAD for a name of this server, or the address that the client
// connected to, to https. It responds to anything else with an error.
func (c *sniffedConn) answerPlain(began []byte) {
	_ = c.SetDeadline(time.Now().Add(plainTimeout)) // if it fails, so does reading
	all := io.MultiReader(strings.NewReader(string(began)), c.Conn)
	request, err := http.ReadRequest(bufio.NewReader(io.LimitReader(all, maxPlain)))
	if err != nil {
		if letter := began[0]; letter >= 'A' && letter <= 'Z' {
			writePlain(c.Conn, http.StatusBadRequest, "", "this port speaks HTTPS\n")
		}
		return
	}
	target := "https://" + request.Host + request.URL.RequestURI()
	reads := request.Method == http.MethodGet || request.Method == http.MethodHead
	if reads && validHost(request.Host) && strings.HasPrefix(request.URL.Path, "/") { // not "GET *"
		if name := HostName(request.Host); !c.known(name) && name != HostName(c.LocalAddr().String()) {
			writePlain(c.Conn, http.StatusMisdirectedRequest, "",
				"this port speaks HTTPS, and not under this name: use https:// and a name of its certificate\n")
			return
		}
		writePlain(c.Conn, http.StatusTemporaryRedirect, target, "this port speaks HTTPS: "+target+"\n")
		return
	}
	writePlain(c.Conn, http.StatusBadRequest, "", "this port speaks HTTPS: use https:// in the address of the registry\n")
}

func writePlain(w io.Writer, status int, location, words string) {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if location != "" {
		fmt.Fprintf(&b, "Location: %s\r\n", location)
	}
	fmt.Fprintf(&b, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n", len(words))
	fmt.Fprintf(&b, "Connection: close\r\n\r\n%s", words)
	_, _ = io.WriteString(w, b.String()) // ignored: the client may have disconnected
}

// validHost reports whether host is safe to use in a header: letters, digits and other characters
// of addresses.
func validHost(host string) bool {
	if host == "" || len(host) > 255 {
		return false
	}
	return strings.IndexFunc(host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-:[]_", r))
	}) < 0
}
