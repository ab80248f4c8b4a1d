package server

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"packhouse/server/auth"
	"packhouse/server/config"
	"packhouse/server/problem"
)

// TestPanic: a handler that panics costs one request, and its trace goes to the log.
func TestPanic(t *testing.T) {
	f := newFixture(t)
	f.replace(handlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		if r.Method == http.MethodGet {
			panic("kaboom")
		}
		return nil
	}))
	base, client := f.run(), f.client()
	a := f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil)
	if a.status != 500 || strings.Contains(a.body, "kaboom") || strings.Contains(a.body, ".go:") || !strings.Contains(a.body, "UNKNOWN") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if log := f.log.String(); !strings.Contains(log, "kaboom") || !strings.Contains(log, "handler_test.go") {
		t.Errorf("the log does not tell:\n%s", log)
	}
	if a := f.ask(client, http.MethodHead, base+"/v2/", "spectro", nil); a.status != 200 {
		t.Errorf("then: %d", a.status)
	}
}

// TestCutOff: an answer that cannot be finished is broken off, so that nobody takes half of it for a whole.
func TestCutOff(t *testing.T) {
	for name, end := range map[string]func() error{
		"an error":        func() error { return errors.New("the disk is gone") },
		"a panic":         func() error { panic("kaboom") },
		"an abort":        func() error { panic(http.ErrAbortHandler) },
		"a late refusal":  func() error { return problem.Full() },
		"nothing of this": func() error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.replace(handlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				io.WriteString(w, "half an answer")
				_ = http.NewResponseController(w).Flush()
				return end()
			}))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.run()+"/v2/", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.SetBasicAuth("spectro", readerPassword)
			a, err := f.client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.ReadAll(a.Body)
			if whole := name == "nothing of this"; (err == nil) != whole {
				t.Errorf("read: %v", err)
			}
			f.running(0)
		})
	}
}

// TestAccessLog: one line for each request, with who and what, and without what is secret or of no interest.
func TestAccessLog(t *testing.T) {
	f := newFixture(t)
	base, client := f.run(), f.client()
	f.ask(client, http.MethodGet, base+"/v2/team/app/tags/list?n=5&last=query-canary", "spectro", nil)
	f.ask(client, http.MethodPost, base+"/v2/team/app/blobs/uploads/", "spectro", nil)
	f.ask(client, http.MethodGet, base+"/v2/", "", nil)
	f.ask(client, http.MethodGet, base+"/health", "", nil)
	f.ask(client, http.MethodGet, base+"/v2/", "mallory", nil)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer canary-token")
	r.Header.Set("Cookie", "canary-cookie")
	r.Header.Set("User-Agent", "agent\x22 level=ERROR "+strings.Repeat("x", 500))
	if a, err := client.Do(r); err != nil {
		t.Fatal(err)
	} else {
		a.Body.Close()
	}
	f.ask(client, http.MethodGet, base+"/"+strings.Repeat("long", 4000), "", nil)
	f.ask(client, http.MethodGet, base+"/v2/a/tags/list", "", nil)
	f.eventually("eight lines", func() bool { return strings.Count(f.log.String(), "msg=request") == 8 })
	log := f.log.String()
	for _, want := range []string{
		"level=INFO msg=request method=GET path=/v2/team/app/tags/list status=404",
		"status=403", "user=spectro", "action=upload.start", "code=DENIED",
		"level=DEBUG msg=request method=GET path=/health status=200",
		"level=INFO msg=request method=GET path=/v2/ status=401",
		"level=INFO msg=request method=GET path=/v2/a/tags/list status=401",
		"remote=127.0.0.1",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	for _, unwanted := range []string{"canary", "mallory", strings.Repeat("x", 200), strings.Repeat("long", 1024/4), "agent=agent\x22"} {
		if strings.Contains(log, unwanted) {
			t.Errorf("%q is in the log:\n%s", unwanted, log)
		}
	}
}

func TestAccessLogOff(t *testing.T) {
	f := newFixture(t, with(func(c *config.Config) { c.Log.AccessLog.Disabled = true }))
	f.ask(f.client(), http.MethodGet, f.run()+"/v2/", "spectro", nil)
	if strings.Contains(f.log.String(), "msg=request") {
		t.Error("requests are logged")
	}
}

func TestLogFormat(t *testing.T) {
	f := newFixture(t, with(func(c *config.Config) {
		c.Log.Formatter, c.Log.Level = "json", "WARN"
		c.Log.Fields = map[string]string{"service": "registry", "environment": "test"}
	}))
	f.server.log.Info("quiet")
	f.server.log.Warn("loud")
	lines := strings.Split(strings.TrimSpace(f.log.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "{") || !strings.Contains(last, `"environment":"test","service":"registry"`) || !strings.Contains(last, `"msg":"loud"`) {
		t.Errorf("%s", last)
	}
	if strings.Contains(f.log.String(), "quiet") {
		t.Error("the level means nothing")
	}
}

// TestOrigin: whom a request is held against.
func TestOrigin(t *testing.T) {
	f := newFixture(t, with(func(c *config.Config) { c.HTTP.TrustedProxies = []string{"10.0.0.0/8", "2001:db8::1"} }))
	for name, tc := range map[string]struct {
		peer   string
		header http.Header
		want   string
		shared bool
	}{
		"a peer":                    {"192.0.2.1:1", nil, "192.0.2.1", false},
		"a peer by IPv6":            {"[2001:db8::7]:1", nil, "2001:db8::7", false},
		"a listed proxy":            {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"192.0.2.9"}}, "192.0.2.9", false},
		"by IPv6":                   {"[2001:db8::1]:1", http.Header{"X-Forwarded-For": {"192.0.2.9"}}, "192.0.2.9", false},
		"two listed proxies":        {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"192.0.2.9, 10.9.9.9"}}, "192.0.2.9", false},
		"two headers":               {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"192.0.2.9", "10.9.9.9"}}, "192.0.2.9", false},
		"a forged beginning":        {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"203.0.113.1, 192.0.2.9"}}, "192.0.2.9", false},
		"with a port":               {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"192.0.2.9:4711"}}, "192.0.2.9", false},
		"IPv6 in brackets":          {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"[2001:db8::9]:4711"}}, "2001:db8::9", false},
		"proxies only":              {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"10.4.4.4, 10.9.9.9"}}, "10.4.4.4", false},
		"nonsense":                  {"10.1.2.3:1", http.Header{"X-Forwarded-For": {"unknown"}}, "10.1.2.3", true},
		"nothing from a proxy":      {"10.1.2.3:1", nil, "10.1.2.3", true},
		"an unlisted proxy":         {"192.0.2.1:1", http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "192.0.2.1", true},
		"of the other kind":         {"192.0.2.1:1", http.Header{"Forwarded": {"for=198.51.100.1"}}, "192.0.2.1", true},
		"a Unix socket with header": {"@", http.Header{"X-Forwarded-For": {"198.51.100.1"}}, "198.51.100.1", false},
		"a Unix socket":             {"@", nil, "local", true},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = tc.peer
			maps.Copy(r.Header, tc.header)
			client, r := f.server.origin(f.server.current.Load(), r)
			if client.String() != tc.want || client.Shared != tc.shared {
				t.Errorf("%s, shared %v, want %s, %v", client, client.Shared, tc.want, tc.shared)
			}
			if got := auth.ClientOf(r); got != client {
				t.Errorf("package auth sees %+v", got)
			}
		})
	}
	if n := strings.Count(f.log.String(), "http.trustedproxies does not list"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// FuzzForwarded: nothing that stands in X-Forwarded-For breaks anything or makes an address of a listed proxy out of another.
func FuzzForwarded(f *testing.F) {
	f.Add("192.0.2.1, 10.0.0.1")
	f.Add("[2001:db8::1%eth0]:80,,")
	proxies, err := parseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	st := &state{proxies: proxies}
	f.Fuzz(func(t *testing.T, value string) {
		if a, ok := st.forwardedFor([]string{value}); ok && !a.IsValid() {
			t.Errorf("%q gives %v", value, a)
		}
	})
}

// TestDebugListener: metrics and profiles are on a port of their own and not on the public one.
func TestDebugListener(t *testing.T) {
	f := newFixture(t, withTLS, with(func(c *config.Config) { c.HTTP.Debug = config.Debug{Addr: ":0", Prometheus: true} }))
	base, client := f.run(), f.client()
	f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil)
	f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil)
	address := ""
	f.eventually("the other port", func() bool {
		_, said, _ := strings.Cut(f.log.String(), `msg="metrics and profiles are served" address=`)
		address, _, _ = strings.Cut(said, " ")
		return address != ""
	})
	if at, err := netip.ParseAddrPort(address); err != nil || !at.Addr().IsLoopback() {
		t.Fatalf("it is bound to %s: %v", address, err)
	}
	a := f.ask(client, http.MethodGet, "http://"+address+"/metrics", "", nil)
	for _, want := range []string{
		`packhouse_requests_total{action="ping",status="200"} 2`, `packhouse_request_duration_seconds_count{action="ping"} 2`,
		"packhouse_auth_remembered_total 1", "packhouse_auth_hashes_total 1", "packhouse_certificate_not_after_timestamp_seconds", "packhouse_up 1",
		"packhouse_config_last_reload_successful 1", "packhouse_users 3", "packhouse_storage_free_bytes",
	} {
		if !strings.Contains(a.body, want) {
			t.Errorf("%q is not among the metrics", want)
		}
	}
	if a := f.ask(client, http.MethodGet, "http://"+address+"/debug/pprof/", "", nil); a.status != 200 {
		t.Errorf("profiles: %d", a.status)
	}
	if a := f.ask(client, http.MethodGet, "http://"+address+"/debug/health", "", nil); a.status != 200 || strings.TrimSpace(a.body) != "{}" {
		t.Errorf("health: %d %s", a.status, a.body)
	}
	for _, path := range []string{"/metrics", "/debug/health", "/debug/pprof/", "/debug/pprof/heap"} {
		if a := f.ask(client, http.MethodGet, base+path, "admin", nil); a.status != 404 {
			t.Errorf("%s on the public port: %d", path, a.status)
		}
	}
}

// TestHeaderLimit: more header than allowed is refused before anything is made of it.
func TestHeaderLimit(t *testing.T) {
	f := newFixture(t, with(func(c *config.Config) { c.HTTP.Limits.HeaderBytes = 8 << 10 }))
	base := f.run()
	for size, want := range map[int]int{4 << 10: 200, 16 << 10: 431} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/health", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Large", strings.Repeat("x", size))
		a, err := f.client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, a.StatusCode, want)
		}
	}
}

func TestPrefix(t *testing.T) {
	f := newFixture(t, with(func(c *config.Config) { c.HTTP.Prefix = "/registry/" }))
	base, client := f.run(), f.client()
	if a := f.ask(client, http.MethodGet, base+"/registry/v2/", "spectro", nil); a.status != 200 {
		t.Errorf("below the prefix: %d", a.status)
	}
	if a := f.ask(client, http.MethodGet, base+"/v2/", "spectro", nil); a.status != 404 {
		t.Errorf("beside it: %d", a.status)
	}
	if a := f.ask(client, http.MethodPost, base+"/registry/v2/a/blobs/uploads/", "ci", nil); !strings.HasPrefix(a.header.Get("Location"), "/registry/v2/") {
		t.Errorf("location %q", a.header.Get("Location"))
	}
}

// TestUnencryptedHTTP2 for proxies that speak it.
func TestUnencryptedHTTP2(t *testing.T) {
	for enabled, proto := range map[bool]string{true: "HTTP/2.0", false: ""} {
		f := newFixture(t, with(func(c *config.Config) { c.HTTP.H2CEnabled = enabled }))
		base := f.run()
		var p http.Protocols
		p.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: &p}
		a, err := (&http.Client{Transport: transport}).Get(base + "/health")
		if err == nil {
			a.Body.Close()
		}
		if (err == nil) != enabled || err == nil && a.Proto != proto {
			t.Errorf("enabled %v: %v", enabled, err)
		}
		transport.CloseIdleConnections()
	}
}
