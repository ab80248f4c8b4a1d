package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// patience is how long anything may take that a test waits for, on a machine that is busy with others.
const patience = 90 * time.Second

// Ports come from below those that the kernel hands out, so that no client and no other listener gets one of them by chance.
const firstPort, lastPort = 10000, 32000

// reservePort finds a TCP port that nobody listens at and keeps it until release: other tests, in this process and in others, get other ones.
// Held is the UDP port of the same number, which nothing here uses.
func reservePort() (port string, release func(), err error) {
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

// freeAddress is an address that nobody listens at, and that no other test gets before this one has ended.
func freeAddress(t testing.TB) string {
	t.Helper()
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return net.JoinHostPort("127.0.0.1", port)
}

// answers tells whether a server at an address answers requests. To be connected says less: the kernel does that for a server that is still
// at its preparations, the admin socket among them. Whether TLS is spoken there does not matter, a request without it has an answer too.
func answers(addr string) bool {
	client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + addr + "/health")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return true
}

// TestReservedPorts: nobody gets the same port twice, a server can be started there, and what is given back can be had again.
func TestReservedPorts(t *testing.T) {
	taken := map[string]bool{}
	for range 50 {
		addr := freeAddress(t)
		if taken[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		taken[addr] = true
		if answers(addr) {
			t.Errorf("it answers at %s", addr)
		}
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = listener.Close()
	}
	port, release, err := reservePort()
	if err != nil {
		t.Fatal(err)
	}
	release()
	held, err := net.ListenPacket("udp4", fmt.Sprint("127.0.0.1:", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = held.Close()
}
