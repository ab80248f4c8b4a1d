package server

import (
	"net/http"
	"testing"

	"packhouse/server/config"
)

// asked returns the status of GET /v2/ under a Host, from 127.0.0.1.
func (f *fixture) asked(base, host string) int {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), http.MethodGet, base+"/v2/", nil)
	if err != nil {
		f.Fatal(err)
	}
	r.Host = host
	a, err := f.client().Do(r)
	if err != nil {
		f.Fatal(err)
	}
	defer a.Body.Close()
	return a.StatusCode
}

// TestForeignHost verifies that a loopback listener without authentication answers only to names of
// this machine, and what is excepted.
func TestForeignHost(t *testing.T) {
	t.Parallel()
	open := func(c *config.Config) { c.Auth = config.Auth{Method: config.AuthNone} }
	for _, test := range []struct {
		name     string
		settings []setting
		host     string
		want     int
	}{
		{"rebinding", []setting{with(open)}, "attacker.example:5000", 403},
		{"rebinding without a port", []setting{with(open)}, "attacker.example", 403},
		{"a name that contains localhost", []setting{with(open)}, "localhost.attacker.example", 403},
		{"an address of another machine", []setting{with(open)}, "192.0.2.7:5000", 403},
		{"localhost", []setting{with(open)}, "localhost:5000", 200},
		{"upper case and a dot", []setting{with(open)}, "LOCALHOST.:5000", 200},
		{"below localhost", []setting{with(open)}, "registry.localhost", 200},
		{"IPv4", []setting{with(open)}, "127.0.0.2:5000", 200},
		{"IPv6", []setting{with(open)}, "[::1]:5000", 200},
		{"http.host", []setting{with(func(c *config.Config) { open(c); c.HTTP.Host = "https://Registry.example.com:5000" })}, "registry.example.com", 200},
		{"not http.host", []setting{with(func(c *config.Config) { open(c); c.HTTP.Host = "https://registry.example.com" })}, "other.example.com", 403},
		{"trusted proxy, or a browser on its machine", []setting{with(func(c *config.Config) { open(c); c.HTTP.TrustedProxies = []string{"127.0.0.0/8"} })}, "registry.example.com", 403},
		{"trusted proxy and http.host", []setting{with(func(c *config.Config) {
			open(c)
			c.HTTP.TrustedProxies, c.HTTP.Host = []string{"127.0.0.0/8"}, "https://registry.example.com"
		})}, "registry.example.com", 200},
		{"with authentication", nil, "attacker.example", 401},
		{"name of the certificate", []setting{with(open), withTLS}, "localhost:443", 200},
		{"not a name of the certificate", []setting{with(open), withTLS}, "attacker.example", 403},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, test.settings...)
			if got := f.asked(f.serve(), test.host); got != test.want {
				t.Errorf("Host %s: %d, want %d", test.host, got, test.want)
			}
		})
	}
}
