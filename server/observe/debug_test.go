package observe

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestForeignHostOfMetrics verifies the same for metrics and profiles, which never need a password.
func TestForeignHostOfMetrics(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5001}
	public := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5001}
	for _, test := range []struct {
		at   net.Addr
		host string
		want int
	}{
		{local, "localhost:5001", 200},
		{local, "127.0.0.1:5001", 200},
		{local, "attacker.example", 403},
		{public, "metrics.example.com:5001", 200},
	} {
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Host = test.host
		w := httptest.NewRecorder()
		ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
		localOnly(test.at, ok).ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%s, Host %s: %d, want %d", test.at, test.host, w.Code, test.want)
		}
	}
}
