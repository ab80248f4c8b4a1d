package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// peers is a listener of connections from given addresses.
type peers struct {
	net.Listener
	next chan net.Conn
}

func (p peers) Accept() (net.Conn, error) {
	if c, ok := <-p.next; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// peer is a connection that only knows where it comes from.
type peer struct {
	net.Conn
	from   string
	closed chan struct{}
}

func (p *peer) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.from))
}

func (p *peer) Close() error {
	close(p.closed)
	return nil
}

// TestOneAddressLeavesRoom: whoever opens connections without end has half of what there is, and everybody else gets in.
func TestOneAddressLeavesRoom(t *testing.T) {
	proxy := netip.MustParseAddr("198.51.100.9")
	for name, tc := range map[string]struct {
		from string
		got  int // of ten
	}{
		"an address":      {"192.0.2.1:1", 4},
		"IPv6":            {"[2001:db8::1]:1", 4},
		"this machine":    {"127.0.0.1:1", 7},
		"a listed proxy":  {"198.51.100.9:1", 7},
		"written as IPv6": {"[::ffff:192.0.2.1]:1", 4},
	} {
		t.Run(name, func(t *testing.T) {
			from := peers{next: make(chan net.Conn, 20)}
			l := newLimitedListener(from, 8, func(a netip.Addr) bool { return a == proxy })
			var greedy []*peer
			for range 7 {
				c := &peer{from: tc.from, closed: make(chan struct{})}
				greedy = append(greedy, c)
				from.next <- c
			}
			other := &peer{from: "203.0.113.5:1", closed: make(chan struct{})}
			from.next <- other
			got := 0
			for {
				c, err := l.Accept()
				if err != nil {
					t.Fatal(err)
				}
				if c == other {
					break
				}
				got++
			}
			closed := 0
			for _, c := range greedy {
				select {
				case <-c.closed:
					closed++
				default:
				}
			}
			if got != tc.got || closed != 7-tc.got {
				t.Errorf("%d of 7 got in, %d were closed; want %d", got, closed, tc.got)
			}
			l.watch(greedy[0], http.StateClosed)
			again := &peer{from: strings.TrimSuffix(tc.from, "1") + "2", closed: make(chan struct{})}
			if from.next <- again; len(l.places) >= 8 {
				t.Fatal("no place was given back")
			}
			if c, err := l.Accept(); err != nil || c != again {
				t.Errorf("after one ended: %v, %v", c, err)
			}
		})
	}
}
