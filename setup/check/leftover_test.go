package check

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"packhouse/racetest"
)

// TestNothingIsLeft: a check that is interrupted after any of its requests, or whose request fails, deletes what it has pushed.
func TestNothingIsLeft(t *testing.T) {
	target, g := installation(t, "")
	count := 0
	at := func(n int, what func(w http.ResponseWriter) bool) *httptest.Server {
		count = 0
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fails := false
			if strings.HasPrefix(r.URL.Path, "/v2/"+ProbeRepository+"/") && strings.HasPrefix(roleOf(r), "admin") {
				if count++; count == n {
					fails = what(w)
				}
			}
			if fails {
				g.ServeHTTP(httptest.NewRecorder(), r) // the request is done, and its answer is lost
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			g.ServeHTTP(w, r)
		}))
		server.Start()
		t.Cleanup(server.Close)
		return server
	}
	target.Dial, target.Roots, target.Chain = "", nil, nil
	for n := 1; ; n += racetest.Sample(1, 8) {
		ctx, cancel := context.WithCancel(t.Context())
		for _, what := range []func(http.ResponseWriter) bool{
			func(http.ResponseWriter) bool { cancel(); return false },
			func(http.ResponseWriter) bool { return true },
		} {
			server := at(n, what)
			target.URL = server.URL
			Run(ctx, target, nil)
			g.mu.Lock()
			if len(g.blobs) > 0 {
				t.Errorf("request %d: %d objects are left", n, len(g.blobs))
			}
			clear(g.blobs)
			g.mu.Unlock()
			ctx = t.Context()
		}
		cancel()
		if count < n {
			if n < 8 {
				t.Errorf("only %d requests were made", count)
			}
			return
		}
	}
}

func roleOf(r *http.Request) string {
	user, _, _ := r.BasicAuth()
	return strings.TrimPrefix(user, probeName)
}
