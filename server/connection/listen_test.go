package connection

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

func (p peers) Close() error {
	close(p.next)
	return nil
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

// TestOneAddressLeavesRoom: an address has half of the connections. Beyond that its own oldest idle
// one is evicted, and where all are busy the new one is closed.
func TestOneAddressLeavesRoom(t *testing.T) {
	proxy := netip.MustParseAddr("198.51.100.9")
	for name, tc := range map[string]struct {
		from string
		stay int // of seven connections
	}{
		"an address":      {"192.0.2.1:1", 4},
		"IPv6":            {"[2001:db8::1]:1", 4},
		"this machine":    {"127.0.0.1:1", 7},
		"a listed proxy":  {"198.51.100.9:1", 7},
		"written as IPv6": {"[::ffff:192.0.2.1]:1", 4},
	} {
		for _, busy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, busy %v", name, busy), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					from := peers{next: make(chan net.Conn, 20)}
					l := Limit(from, 8, func(a netip.Addr) bool { return a == proxy })
					var greedy []*peer
					open := func(address string) *peer {
						c := &peer{from: address, closed: make(chan struct{})}
						from.next <- c
						return c
					}
					for range 7 {
						greedy = append(greedy, open(tc.from))
					}
					other := open("203.0.113.5:1")
					for {
						c, err := l.Accept()
						if err != nil {
							t.Fatal(err)
						}
						if c == other {
							break
						}
						if busy {
							l.open[c].granted++
						}
					}
					synctest.Wait()
					var closed []bool
					for _, c := range greedy {
						select {
						case <-c.closed:
							closed = append(closed, true)
						default:
							closed = append(closed, false)
						}
					}
					if !slices.Equal(closed, closedOf(7, tc.stay, busy)) || len(l.open) != tc.stay+1 {
						t.Errorf("closed %v, want %v; %d are open", closed, closedOf(7, tc.stay, busy), len(l.open))
					}
					last := greedy[6]
					if busy {
						last = greedy[0]
					}
					l.watch(last, http.StateClosed)
					again := open(strings.TrimSuffix(tc.from, "1") + "2")
					if c, err := l.Accept(); err != nil || c != again {
						t.Errorf("after one ended: %v, %v", c, err)
					}
				})
			})
		}
	}
}

// closedOf says which of some connections are closed if a number of them stays: the first ones
// while they are idle, and the last ones if all are busy.
func closedOf(all, stay int, busy bool) []bool {
	closed := make([]bool, all)
	for i := range all {
		closed[i] = !busy && i < all-stay || busy && i >= stay
	}
	return closed
}

// TestPendingConnectionsMakeRoom: at the limit, a connection whose request waits to sign in is
// evicted after a while, and one with a granted request never.
func TestPendingConnectionsMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := peers{next: make(chan net.Conn, 4)}
		l := Limit(from, 2, func(netip.Addr) bool { return false })
		arrive := func() *peer {
			c := &peer{from: "127.0.0.1:1", closed: make(chan struct{})}
			from.next <- c
			if got, err := l.Accept(); err != nil || got != c {
				t.Fatalf("%v, %v", got, err)
			}
			l.open[c].begin()
			return c
		}
		granted := arrive()
		l.open[granted].grant()
		waits := arrive()
		began := time.Now()
		next := arrive()
		if took := time.Since(began); took != pendingTime {
			t.Errorf("a new connection waited for %v, want %v", took, pendingTime)
		}
		synctest.Wait()
		select {
		case <-waits.closed:
		default:
			t.Error("the connection that waits to sign in is open")
		}
		l.open[next].settle(pending)
		if arrive(); time.Since(began) != pendingTime {
			t.Error("a connection whose request was refused was not evicted at once")
		}
		select {
		case <-granted.closed:
			t.Error("the connection with a granted request was evicted")
		default:
		}
	})
}
