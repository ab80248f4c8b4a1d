package main

import (
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"packhouse/cmd/packhouse/porttest"
)

// patience is how long anything may take that a test waits for, on a machine that is busy with others.
const patience = 90 * time.Second

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
		addr := porttest.Free(t)
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
	port, release, err := porttest.Reserve()
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
