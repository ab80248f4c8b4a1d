package check

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// TestProxy verifies that check --url names the proxy, and tells its answers from the registry's.
func TestProxy(t *testing.T) {
	refuse := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "denied by policy", status) }
	}
	for _, tc := range []struct {
		name   string
		scheme string
		proxy  http.HandlerFunc // nil: nothing listens
		code   string
		cause  string
	}{
		{"opens a tunnel", "https", tunnel(t), "", ""},
		{"refuses a tunnel", "https", refuse(http.StatusForbidden), "proxy-refused", "the proxy, not the registry, answers 403 Forbidden"},
		{"wants a password", "https", refuse(http.StatusProxyAuthRequired), "proxy-refused", "the proxy, not the registry, answers 407"},
		{"refuses a request", "http", refuse(http.StatusBadGateway), "proxy-refused", "the proxy, not the registry, answers 502"},
		{"nothing listens", "https", nil, "proxy-unreachable", "the proxy cannot be reached"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			target, _ := installation(t, "")
			address := deadEnd(t)
			if tc.proxy != nil {
				server := httptest.NewServer(tc.proxy)
				t.Cleanup(server.Close)
				address = server.Listener.Addr().String()
			}
			via := &url.URL{Scheme: "http", User: url.UserPassword("me", "secret"), Host: address}
			base, err := url.Parse(target.URL)
			if err != nil {
				t.Fatal(err)
			}
			base.Scheme, base.Host = tc.scheme, strings.TrimPrefix(base.Host, "https://")
			if target.Dial != "" {
				base.Host = target.Dial
			}
			target.URL, target.Dial, target.Remote, target.Quick, target.Instance, target.Config = base.String(), "", true, true, "", nil
			target.Proxy = func(*http.Request) (*url.URL, error) { return via, nil }
			report := Run(t.Context(), target, nil)
			if name := find(t, report, "name"); !strings.Contains(name.Seen, "requests go through the proxy "+address) {
				t.Errorf("the proxy is not named: %+v", name)
			}
			port := find(t, report, "port")
			if port.Finding.Code != tc.code || !strings.Contains(port.Finding.What, tc.cause) {
				t.Errorf("%+v, want %s", port, tc.code)
			}
			if tc.code != "" && !strings.Contains(port.Finding.Remedy, "NO_PROXY="+base.Hostname()) {
				t.Errorf("the remedy %q does not name NO_PROXY", port.Finding.Remedy)
			}
			for _, r := range report.Results {
				if strings.Contains(r.Seen+r.Finding.What+r.Finding.Remedy, "secret") {
					t.Errorf("%+v holds the password of the proxy", r)
				}
			}
		})
	}
}

// tunnel is a proxy that connects to what it is asked for.
func tunnel(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		there, err := net.Dial("tcp", r.Host)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		here, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() {
			defer there.Close()
			_, _ = io.Copy(there, buffered) // what net/http has read already, and then the connection
		}()
		defer here.Close()
		_, _ = io.Copy(here, there)
	}
}
