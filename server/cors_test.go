package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"packhouse/server/config"
)

// TestCORS: pages of configured origins may use the configured methods, after a
// preflight without credentials; pages of others still change nothing.
func TestCORS(t *testing.T) {
	const ui, other = "https://ui.example.com", "https://other.example.com"
	methods := []string{"GET, HEAD, POST", "DELETE"}
	for _, tc := range []struct {
		name            string
		origins         []string
		method, origin  string
		preflight       bool
		status          int
		allowed, varies string
	}{
		{"preflight", []string{ui}, "OPTIONS", ui, true, 204, ui, "Origin"},
		{"preflight of one of several", []string{other + ", " + ui}, "OPTIONS", ui, true, 204, ui, "Origin"},
		{"preflight of any", []string{"*"}, "OPTIONS", ui, true, 204, "*", ""},
		{"preflight of an unknown origin", []string{ui}, "OPTIONS", other, true, 405, "", "Origin"},
		{"preflight where nothing is configured", nil, "OPTIONS", ui, true, 405, "", ""},
		{"OPTIONS that is no preflight", []string{ui}, "OPTIONS", ui, false, 405, ui, "Origin"},
		{"push", []string{ui}, "POST", ui, false, 202, ui, "Origin"},
		{"push from an unknown origin", []string{ui}, "POST", other, false, 403, "", "Origin"},
		{"push by a method that is not listed", []string{ui}, "POST", ui, false, 403, ui, "Origin"},
		{"push without preflight where any origin may read", []string{"*"}, "POST", ui, false, 403, "*", ""},
		{"deletion where any origin may", []string{"*"}, "DELETE", ui, false, 405, "*", ""},
		{"push from a sandboxed frame", []string{"null"}, "POST", "null", false, 403, "", "Origin"},
		{"push where nothing is configured", nil, "POST", ui, false, 403, "", ""},
		{"push by a client that is no browser", []string{ui}, "POST", "", false, 202, "", "Origin"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := newFixture(t, with(func(c *config.Config) {
				c.HTTP.Headers = map[string][]string{corsMethods: methods, "Access-Control-Allow-Headers": {"Authorization"}}
				if strings.Contains(tc.name, "not listed") {
					c.HTTP.Headers[corsMethods] = []string{"GET"}
				}
				if tc.origins != nil {
					c.HTTP.Headers[corsOrigin] = tc.origins
				}
			}))
			r := httptest.NewRequest(tc.method, "http://registry.example.com/v2/team/app/blobs/uploads/", nil)
			if tc.preflight {
				r.Header.Set("Access-Control-Request-Method", "POST")
			} else {
				r.SetBasicAuth("ci", passwords["ci"])
			}
			if tc.origin != "" {
				r.Header.Set("Origin", tc.origin)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			}
			w := httptest.NewRecorder()
			f.server.ServeHTTP(w, r)
			h := w.Header()
			if w.Code != tc.status || h.Get(corsOrigin) != tc.allowed || h.Get("Vary") != tc.varies {
				t.Errorf("%d, origin %q, Vary %q; want %d, %q, %q", w.Code, h.Get(corsOrigin), h.Get("Vary"), tc.status, tc.allowed, tc.varies)
			}
			if w.Code == http.StatusNoContent && (len(h.Values(corsMethods)) != 2 || h.Get("Access-Control-Allow-Headers") != "Authorization") {
				t.Errorf("preflight answered with %v", h)
			}
		})
	}
}
