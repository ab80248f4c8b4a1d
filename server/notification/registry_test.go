package notification

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"packhouse/server/registry"
)

// TestHeadersAreClipped verifies that a client cannot fill the queue of events with its headers.
func TestHeadersAreClipped(t *testing.T) {
	r := httptest.NewRequest("PUT", "/v2/a/manifests/1", nil)
	r.Host = strings.Repeat("h", 10_000)
	r.Header.Set("User-Agent", strings.Repeat("a", mostHeader-1)+"éé")
	e := Registry{Now: time.Now}.event(registry.Event{Request: r, Verb: registry.Push})
	if want := strings.Repeat("a", mostHeader-1); e.Request.UserAgent != want || len(e.Request.Host) != mostHeader {
		t.Errorf("a User-Agent of %d bytes and a host of %d", len(e.Request.UserAgent), len(e.Request.Host))
	}
}
