package check

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestProxyWithTLS checks a server with plain HTTP behind a proxy that speaks TLS with the clients: the
// checks reach the server itself.
func TestProxyWithTLS(t *testing.T) {
	server := httptest.NewServer(&registry{blobs: map[string][]byte{}})
	defer server.Close()
	target := Target{
		URL: "https://registry.example.com", Dial: server.Listener.Addr().String(),
		Offloaded: true, Instance: "nonce-1", patience: patience,
	}
	report := Run(t.Context(), target, nil)
	for _, id := range []string{"port", "health"} {
		if r := find(t, report, id); r.Status != Passed {
			t.Errorf("%s: %+v", id, r)
		}
	}
	if r := find(t, report, "certificate"); r.Status != NotProven || !strings.Contains(r.Seen, "proxy") {
		t.Errorf("certificate: %+v", r)
	}
}
