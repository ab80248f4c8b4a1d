// Package porttest reserves TCP ports for tests.
package porttest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports are below those that the kernel assigns, so that no client and no other listener gets one of
// them by chance.
const firstPort, lastPort = 10000, 32000

// Reserve finds a free TCP port and keeps it until release: other tests, in this process and in
// others, get other ones. It holds the UDP port of the same number, which nothing here uses.
func Reserve() (port string, release func(), err error) {
	for range 1000 {
		n := firstPort + rand.IntN(lastPort-firstPort) //nolint:gosec // to be out of the way, and no secret
		held, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: n})
		if err != nil {
			continue
		}
		everywhere, err := net.Listen("tcp", ":"+strconv.Itoa(n)) //nolint:gosec // closed at once
		if err != nil {
			_ = held.Close()
			continue
		}
		_ = everywhere.Close()
		return strconv.Itoa(n), func() { _ = held.Close() }, nil
	}
	return "", nil, errors.New("find a free port: a thousand are taken")
}

// Free returns an address without a listener, which no other test gets before this one has ended.
func Free(t testing.TB) string {
	t.Helper()
	port, release, err := Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return net.JoinHostPort("127.0.0.1", port)
}
