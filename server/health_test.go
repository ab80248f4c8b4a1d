package server

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"packhouse/server/config"
)

// TestHealthNeedsNoCredentials: not even wrong ones are looked at.
func TestHealthNeedsNoCredentials(t *testing.T) {
	f := newFixture(t)
	for range 100 {
		r := httptest.NewRequest(http.MethodGet, "/health", nil)
		r.SetBasicAuth("admin", "wrong")
		w := httptest.NewRecorder()
		if f.server.ServeHTTP(w, r); w.Code != 200 {
			t.Fatalf("%d", w.Code)
		}
	}
	if s := f.server.auth.Stats(); s.Hashes != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestProbes: a file that takes the server out of service, an address and a page that have to answer.
func TestProbes(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Probe") != "1" {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer page.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const often = 10 * time.Millisecond
	f := newFixture(t, func(f *fixture, c *config.Config) {
		c.Health.File = []config.FileHealth{{File: f.path("maintenance"), Interval: often}}
		c.Health.TCP = []config.TCPHealth{{Addr: l.Addr().String(), Interval: often, Threshold: 2}}
		c.Health.HTTP = []config.HTTPHealth{{URI: page.URL, Headers: map[string][]string{"x-probe": {"1"}}, Interval: often, Threshold: 1}}
	})
	base, client := f.run(), f.client()
	health := func(want string) {
		t.Helper()
		f.eventually(want, func() bool { return f.ask(client, http.MethodGet, base+"/health", "", nil).body == want })
	}
	health(`{"status":"UP"}`)
	f.write("maintenance", nil)
	health(`{"status":"DOWN","codes":["file"]}`)
	l.Close()
	health(`{"status":"DOWN","codes":["file","tcp"]}`)
	page.Close()
	health(`{"status":"DOWN","codes":["file","http","tcp"]}`)
	os.Remove(f.path("maintenance"))
	health(`{"status":"DOWN","codes":["http","tcp"]}`)
}
